import { z } from 'zod';

// Zod compiles its parsers with `new Function` where it may. The content security policy forbids that here, and trying alone would be reported as an attack.
z.config({ jitless: true });
