/** The part of an OpenAPI document that tells of requests. */
export interface DescribedRequests {
  readonly paths?: object | undefined;
  readonly components?: { readonly schemas?: object | undefined } | undefined;
}

/** What is read of a JSON Schema. */
interface FieldSchema {
  readonly $ref?: string;
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, FieldSchema>>;
  readonly items?: FieldSchema;
  readonly additionalProperties?: FieldSchema | boolean;
  readonly anyOf?: readonly FieldSchema[];
  readonly oneOf?: readonly FieldSchema[];
  readonly allOf?: readonly FieldSchema[];
}

/** A field that a client may send: a parameter, or a property of a body at any depth. */
export interface RequestField {
  /** Operation and path of the field: `POST /v1/search filter.must`. */
  readonly at: string;
  readonly name: string;
  /** Named schema that it is a property of, directly or inside. */
  readonly of: string | undefined;
  readonly type: string | undefined;
  readonly description: string;
  readonly isRequired: boolean;
  readonly hasDefault: boolean;
}

type Schemas = Readonly<Record<string, FieldSchema>>;

/** Request fields of all operations of the document. A named schema that holds itself is looked into once. */
export function requestFields(document: DescribedRequests): RequestField[] {
  const schemas = (document.components?.schemas ?? {}) as Schemas;
  return Object.entries(document.paths ?? {}).flatMap(([path, methods]) =>
    Object.entries(methods as Readonly<Record<string, OperationObject>>).flatMap(([method, { parameters = [], requestBody }]) => {
      const at = `${method.toUpperCase()} ${path}`;
      const bodies = Object.values(requestBody?.content ?? {});
      return [
        ...parameters.map((parameter) => parameterField(parameter, at, schemas)),
        ...bodies.flatMap(({ schema }) => fieldsIn(schema, { at: `${at} `, of: undefined, schemas, seen: new Set() })),
      ];
    }),
  );
}

interface Parameter {
  readonly name: string;
  readonly description?: string;
  readonly required?: boolean;
  readonly schema: FieldSchema;
}

interface OperationObject {
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: FieldSchema }>> };
}

function parameterField({ name, description, required = false, schema }: Parameter, at: string, schemas: Schemas): RequestField {
  const field = fieldOf({ ...schema, ...(description === undefined ? {} : { description }) }, schemas);
  return { at: `${at} ?${name}`, name, of: undefined, isRequired: required, ...field };
}

function fieldOf(schema: FieldSchema, schemas: Schemas): Pick<RequestField, 'type' | 'description' | 'hasDefault'> {
  const whole = { ...named(schema, schemas)?.schema, ...schema };
  return { type: whole.type, description: whole.description ?? '', hasDefault: whole.default !== undefined };
}

interface Place {
  readonly at: string;
  readonly of: string | undefined;
  readonly schemas: Schemas;
  /** Named schemas that the place lies in. */
  readonly seen: ReadonlySet<string>;
}

function fieldsIn(schema: FieldSchema, place: Place): RequestField[] {
  const target = named(schema, place.schemas);
  if (target !== undefined) {
    if (place.seen.has(target.name)) return [];
    return fieldsIn(target.schema, { ...place, of: target.name, seen: new Set([...place.seen, target.name]) });
  }
  const own = Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    const at = `${place.at}${name}`;
    const field = { at, name, of: place.of, isRequired: schema.required?.includes(name) === true, ...fieldOf(property, place.schemas) };
    return [field, ...fieldsIn(property, { ...place, at: `${at}.` })];
  });
  const { items, additionalProperties: values, anyOf = [], oneOf = [], allOf = [] } = schema;
  const parts = [items, typeof values === 'object' ? values : undefined, ...anyOf, ...oneOf, ...allOf];
  return [...own, ...parts.flatMap((part) => (part === undefined ? [] : fieldsIn(part, place)))];
}

function named({ $ref }: FieldSchema, schemas: Schemas): { readonly name: string; readonly schema: FieldSchema } | undefined {
  if ($ref === undefined) return undefined;
  const name = $ref.slice($ref.lastIndexOf('/') + 1);
  const schema = schemas[name];
  if (schema === undefined) throw new Error(`${$ref} names no schema of the document.`);
  return { name, schema };
}
