// From 1.29 on ONNX Runtime sends what it is used for to its makers, unless told not to before its first session, and
// keeps a number of the machine and a database in the user's home. Nothing here is anybody else's business.
process.env.ORT_DISABLE_TELEMETRY ??= '1';
