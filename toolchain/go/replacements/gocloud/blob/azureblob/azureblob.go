// Package azureblob has the names that Pulumi's backend in files asks for, and no driver.
package azureblob

import (
	"context"
	"errors"
	"net/url"

	"gocloud.dev/blob"
)

// Scheme is that of the URLs which the driver would open.
const Scheme = "azblob"

// The CLI takes a scheme that nobody knows for its maker's own service.
func init() { blob.DefaultURLMux().RegisterBucket(Scheme, &URLOpener{}) }

// ServiceURLOptions has no options.
type ServiceURLOptions struct{}

// NewDefaultServiceURLOptions gives none.
func NewDefaultServiceURLOptions() *ServiceURLOptions { return &ServiceURLOptions{} }

// NewDefaultClient is never called.
func NewDefaultClient() {}

// URLOpener refuses every URL.
type URLOpener struct {
	MakeClient        func()
	ServiceURLOptions ServiceURLOptions
}

// OpenBucketURL says why it opens none.
func (*URLOpener) OpenBucketURL(context.Context, *url.URL) (*blob.Bucket, error) {
	return nil, errors.New("this build of Pulumi keeps states in files, S3 buckets and PostgreSQL alone")
}
