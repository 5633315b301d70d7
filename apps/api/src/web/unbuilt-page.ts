/** Instead of the pages, in a checkout that was not built. */
export const UNBUILT_PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>rerank-fleet</title>
<h1>The web pages are not built</h1>
<p>Build them with <code>npm run build</code> in the folder of the checkout, and load this page again. The API is here and works: <a href="docs">its documentation</a>.</p>
</html>
`;

export const UNBUILT_DETAIL = 'The web pages are not built. Build them with `npm run build`. /docs lists the routes of the API.';
