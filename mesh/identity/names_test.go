package identity

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"net/netip"
	"net/url"
	"testing"

	"wiab-staging/mesh/settings"
)

func TestACertificateNamesOneSite(t *testing.T) {
	wanted := settings.Site{Zone: "a.pmd.internal", Prefix: netip.MustParsePrefix("fd51:1::/64")}
	uri := func(texts ...string) (result []*url.URL) {
		for _, text := range texts {
			parsed, err := url.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			result = append(result, parsed)
		}
		return result
	}
	right := uri("urn:wiab:mesh:fd51:1::/64")
	for name, one := range map[string]struct {
		certificate x509.Certificate
		accepted    bool
	}{
		"its own":         {x509.Certificate{DNSNames: []string{"a.pmd.internal"}, URIs: right}, true},
		"another zone":    {x509.Certificate{DNSNames: []string{"b.pmd.internal"}, URIs: right}, false},
		"two zones":       {x509.Certificate{DNSNames: []string{"a.pmd.internal", "b.pmd.internal"}, URIs: right}, false},
		"a wildcard":      {x509.Certificate{DNSNames: []string{"*.pmd.internal"}, URIs: right}, false},
		"another prefix":  {x509.Certificate{DNSNames: []string{"a.pmd.internal"}, URIs: uri("urn:wiab:mesh:fd51:2::/64")}, false},
		"a wider prefix":  {x509.Certificate{DNSNames: []string{"a.pmd.internal"}, URIs: uri("urn:wiab:mesh:fd51::/16")}, false},
		"two prefixes":    {x509.Certificate{DNSNames: []string{"a.pmd.internal"}, URIs: uri("urn:wiab:mesh:fd51:1::/64", "urn:wiab:mesh:fd51:2::/64")}, false},
		"another scheme":  {x509.Certificate{DNSNames: []string{"a.pmd.internal"}, URIs: uri("urn:other:fd51:1::/64")}, false},
		"no prefix":       {x509.Certificate{DNSNames: []string{"a.pmd.internal"}}, false},
		"no name":         {x509.Certificate{URIs: right}, false},
		"only a CN of it": {x509.Certificate{Subject: pkix.Name{CommonName: "a.pmd.internal"}, URIs: right}, false},
	} {
		if err := names(&one.certificate, wanted); (err == nil) != one.accepted {
			t.Errorf("%s: %v", name, err)
		}
	}
}
