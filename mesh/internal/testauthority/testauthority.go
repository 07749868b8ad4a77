// Package testauthority is an authority for the tests of other packages.
package testauthority

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"testing"
	"time"

	"wiab-staging/mesh/identity"
	"wiab-staging/mesh/settings"
)

// Authority gives sites their certificates.
type Authority struct {
	certificate *x509.Certificate
	key         ed25519.PrivateKey
	serial      int64
}

// New makes one.
func New(t *testing.T, name string) *Authority {
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
	return &Authority{certificate, private, 1}
}

// Identify makes a site's keys, and puts the certificate that they ask for and the authority's into its files. It gives the serial
// number.
func (a *Authority) Identify(t *testing.T, s *settings.Settings) int64 {
	t.Helper()
	public, err := identity.MakeKeys(s)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(public.Request))
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	a.serial++
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(a.serial), DNSNames: request.DNSNames, URIs: request.URIs,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}, a.certificate, request.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	for file, certificate := range map[string][]byte{s.CertificateFile: der, s.AuthorityFile: a.certificate.Raw} {
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return a.serial
}

// Revoke gives its revocation list of that number, DER.
func (a *Authority) Revoke(t *testing.T, number int64, serials ...int64) []byte {
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
