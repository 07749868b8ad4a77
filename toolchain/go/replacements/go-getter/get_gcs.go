package getter

// GCSGetter refuses every URL.
type GCSGetter struct{ S3Getter }
