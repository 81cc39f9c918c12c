// Importing a file registers its rules.
import './activation.ts';
import './attention.ts';
import './conv.ts';
import './einsum.ts';
import './elementwise.ts';
import './fused.ts';
import './indexing.ts';
import './matmul.ts';
import './norm.ts';
import './reduce.ts';
import './resize.ts';
import './shape.ts';
