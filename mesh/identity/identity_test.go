package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"wiab-staging/mesh/settings"
)

type authority struct {
	certificate *x509.Certificate
	key         ed25519.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	public, private, _ := ed25519.GenerateKey(rand.Reader)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{certificate, private}
}

func (a *authority) list(t *testing.T, number int64, serials ...int64) []byte {
	t.Helper()
	template := &x509.RevocationList{Number: big.NewInt(number), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour)}
	for _, serial := range serials {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: big.NewInt(serial), RevocationTime: time.Now()})
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, a.certificate, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func site(t *testing.T, a *authority) *settings.Settings {
	t.Helper()
	directory := t.TempDir()
	s := &settings.Settings{
		Site:            settings.Site{Zone: "a.pmd.internal", Prefix: netip.MustParsePrefix("fd51:1::/64"), Endpoint: "192.0.2.1:29292"},
		KeyFile:         filepath.Join(directory, "wireguard.key"),
		CertificateFile: filepath.Join(directory, "site.pem"),
		IdentityKeyFile: filepath.Join(directory, "site.key"),
		AuthorityFile:   filepath.Join(directory, "authority.pem"),
		RevocationsFile: filepath.Join(directory, "revocations.pem"),
		StateDirectory:  directory,
	}
	public, err := MakeKeys(s)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(public.Request))
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(7), DNSNames: request.DNSNames, URIs: request.URIs,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}, a.certificate, request.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, s.CertificateFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	write(t, s.AuthorityFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw}))
	return s
}

func write(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestKeysAreMadeOnceAndForTheirOwnerAlone(t *testing.T) {
	s := site(t, newAuthority(t, "mesh"))
	first, err := MakeKeys(s)
	if err != nil {
		t.Fatal(err)
	}
	again, err := MakeKeys(s)
	if err != nil || again.PublicKey != first.PublicKey {
		t.Errorf("made again: %v, %v", again, err)
	}
	for _, file := range []string{s.KeyFile, s.IdentityKeyFile} {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", file, info.Mode(), err)
		}
	}
}

func TestTheRequestOfASiteGivesItsCertificate(t *testing.T) {
	a := newAuthority(t, "mesh")
	s := site(t, a)
	who, err := Load(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := who.Verify(who.Leaf()); err != nil {
		t.Error(err)
	}
	s.Site.Prefix = netip.MustParsePrefix("fd51:2::/64")
	if _, err := Load(s); err == nil {
		t.Error("a certificate for another prefix is taken as its own")
	}
}

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

func TestAnEmptyFileRevokesNothing(t *testing.T) {
	s := site(t, newAuthority(t, "mesh"))
	write(t, s.RevocationsFile, nil)
	if who, err := Load(s); err != nil || who.Revoked(who.Leaf()) != nil {
		t.Errorf("an empty revocation list: %v", err)
	}
}

func TestRevocationListsGrow(t *testing.T) {
	a, other := newAuthority(t, "mesh"), newAuthority(t, "mesh")
	s := site(t, a)
	write(t, s.RevocationsFile, pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: a.list(t, 1)}))
	who, err := Load(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := who.Adopt(other.list(t, 9, 7)); err == nil || who.Revoked(who.Leaf()) != nil {
		t.Error("a list of another authority of the same name is believed")
	}
	if err := who.Adopt(a.list(t, 2, 7)); err != nil || who.Revoked(who.Leaf()) == nil {
		t.Errorf("a newer list is not taken: %v", err)
	}
	if err := who.Adopt(a.list(t, 1)); err != nil || who.Revoked(who.Leaf()) == nil {
		t.Errorf("an older list takes a revocation back: %v", err)
	}
	// What was heard from a peer outlives the process, whatever the file says.
	again, err := Load(s)
	if err != nil || again.Revoked(again.Leaf()) == nil {
		t.Errorf("a restart takes a revocation back: %v", err)
	}
}
