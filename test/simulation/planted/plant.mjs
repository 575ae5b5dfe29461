// To be imported before what compiles TypeScript: that then compiles the source with the bug in it.
import { register } from 'node:module';

register('./load.mjs', import.meta.url, { data: JSON.parse(process.env.PLANTED_BUG) });
