// Importing a file registers its rules.
import './activation.ts';
import './attention.ts';
import './conv.ts';
import './elementwise.ts';
import './indexing.ts';
import './matmul.ts';
import './norm.ts';
import './reduce.ts';
import './shape.ts';
