package getter

import (
	"errors"
	"net/url"
)

var errNoClouds = errors.New("this build fetches from no cloud's buckets")

// S3Getter refuses every URL.
type S3Getter struct{ getter }

// ClientMode refuses.
func (*S3Getter) ClientMode(*url.URL) (ClientMode, error) { return ClientModeInvalid, errNoClouds }

// Get refuses.
func (*S3Getter) Get(string, *url.URL) error { return errNoClouds }

// GetFile refuses.
func (*S3Getter) GetFile(string, *url.URL) error { return errNoClouds }
