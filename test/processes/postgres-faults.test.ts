import { combinations } from './combinations.ts';
import { processesSuite } from './suite.ts';

processesSuite(combinations.postgres, 'faults');
