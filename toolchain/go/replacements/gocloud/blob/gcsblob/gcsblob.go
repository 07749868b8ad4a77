// Package gcsblob has the name that Pulumi's backend in files asks for, and no driver.
package gcsblob

import (
	"context"
	"errors"
	"net/url"

	"gocloud.dev/blob"
)

// Scheme is that of the URLs which the driver would open.
const Scheme = "gs"

// The CLI takes a scheme that nobody knows for its maker's own service.
func init() { blob.DefaultURLMux().RegisterBucket(Scheme, opener{}) }

type opener struct{}

func (opener) OpenBucketURL(context.Context, *url.URL) (*blob.Bucket, error) {
	return nil, errors.New("this build of Pulumi keeps states in files, S3 buckets and PostgreSQL alone")
}
