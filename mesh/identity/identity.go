// Package identity says who a site is and whom it believes: certificates of a shared authority, which bind a zone and a
// prefix to a key, and the authority's revocation list.
package identity

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"wiab-staging/mesh/settings"
)

// PrefixScheme stands before a site's prefix in the URI of its certificate.
const PrefixScheme = "urn:wiab:mesh:"

// Identity of this site, and what it believes of others. The revocation list may grow at any time.
type Identity struct {
	certificate tls.Certificate
	authorities []*x509.Certificate
	pool        *x509.CertPool
	keptFile    string

	mutex       sync.RWMutex
	revocations *x509.RevocationList
}

// Load reads key, certificate, authorities and revocation list, and checks that the certificate is this site's own.
func Load(s *settings.Settings) (*Identity, error) {
	certificate, err := tls.LoadX509KeyPair(s.CertificateFile, s.IdentityKeyFile)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(s.AuthorityFile)
	if err != nil {
		return nil, err
	}
	result := &Identity{
		certificate: certificate,
		pool:        x509.NewCertPool(),
		keptFile:    filepath.Join(s.StateDirectory, "revocations.crl"),
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		authority, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.AuthorityFile, err)
		}
		result.authorities = append(result.authorities, authority)
		result.pool.AddCert(authority)
	}
	if len(result.authorities) == 0 {
		return nil, fmt.Errorf("%s has no certificate", s.AuthorityFile)
	}
	for _, file := range []string{result.keptFile, s.RevocationsFile} {
		if err := result.readRevocations(file); err != nil {
			return nil, err
		}
	}
	// Whether it has run out, or was revoked, is for the others to say; whose it is is known here.
	if err := names(certificate.Leaf, s.Site); err != nil {
		return nil, fmt.Errorf("%s: %w", s.CertificateFile, err)
	}
	return result, nil
}

// Leaf is this site's own certificate.
func (i *Identity) Leaf() *x509.Certificate { return i.certificate.Leaf }

// Server gives the TLS of the exchange's server: TLS 1.3, and nobody without a certificate that holds. Which site it is
// is for `Site` to say.
func (i *Identity) Server() *tls.Config {
	return &tls.Config{
		MinVersion:       tls.VersionTLS13,
		Certificates:     []tls.Certificate{i.certificate},
		ClientAuth:       tls.RequireAndVerifyClientCert,
		ClientCAs:        i.pool,
		VerifyConnection: func(state tls.ConnectionState) error { return i.Revoked(state.PeerCertificates[0]) },
	}
}

// Client gives the TLS of a connection to a site that has to be this one.
func (i *Identity) Client(peer settings.Site) *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{i.certificate},
		RootCAs:      i.pool,
		// A site has its zone in its certificate, wherever it is reached.
		ServerName: peer.Zone,
		VerifyConnection: func(state tls.ConnectionState) error {
			return errors.Join(i.Revoked(state.PeerCertificates[0]), names(state.PeerCertificates[0], peer))
		},
	}
}

// Site finds out which of the configured sites a certificate is of, which TLS has verified already.
func Site(certificate *x509.Certificate, s *settings.Settings) (settings.Site, error) {
	zone := ""
	if len(certificate.DNSNames) == 1 {
		zone = certificate.DNSNames[0]
	}
	peer, known := s.Peer(zone)
	if !known {
		return settings.Site{}, fmt.Errorf("%q is no site that is known here", certificate.DNSNames)
	}
	return peer, names(certificate, peer)
}

// names refuses a certificate that is not of this very site: one zone and one prefix, no other and no more.
func names(certificate *x509.Certificate, site settings.Site) error {
	if len(certificate.DNSNames) != 1 || certificate.DNSNames[0] != site.Zone {
		return fmt.Errorf("the certificate is for the zones %q, wanted is %s alone", certificate.DNSNames, site.Zone)
	}
	if len(certificate.URIs) != 1 {
		return fmt.Errorf("the certificate of %s has %d URIs, wanted is one with its prefix", site.Zone, len(certificate.URIs))
	}
	text, ours := strings.CutPrefix(certificate.URIs[0].String(), PrefixScheme)
	prefix, err := netip.ParsePrefix(text)
	if !ours || err != nil || prefix != site.Prefix {
		return fmt.Errorf("the certificate of %s is for the prefix %q, wanted is %s", site.Zone, text, site.Prefix)
	}
	return nil
}

// Verify checks a certificate that is not part of a connection, as that of a peer from before a restart.
func (i *Identity) Verify(certificate *x509.Certificate) error {
	usages := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	_, err := certificate.Verify(x509.VerifyOptions{Roots: i.pool, KeyUsages: usages})
	return errors.Join(err, i.Revoked(certificate))
}

// Revoked refuses a certificate that is on the revocation list.
func (i *Identity) Revoked(certificate *x509.Certificate) error {
	i.mutex.RLock()
	defer i.mutex.RUnlock()
	if i.revocations == nil {
		return nil
	}
	for _, entry := range i.revocations.RevokedCertificateEntries {
		if entry.SerialNumber.Cmp(certificate.SerialNumber) == 0 {
			return fmt.Errorf("the certificate %x of %q was revoked on %s", certificate.SerialNumber, certificate.DNSNames, entry.RevocationTime.UTC().Format("2006-01-02"))
		}
	}
	return nil
}

// Revocations gives the list and its number; nothing and 0 where there is none.
func (i *Identity) Revocations() ([]byte, *big.Int) {
	i.mutex.RLock()
	defer i.mutex.RUnlock()
	if i.revocations == nil {
		return nil, new(big.Int)
	}
	return i.revocations.Raw, i.revocations.Number
}

// Adopt takes a revocation list that an authority has signed if it is newer than the one that is there, and keeps it.
func (i *Identity) Adopt(der []byte) error {
	newer, err := i.take(der)
	if err != nil || !newer {
		return err
	}
	return WriteFile(i.keptFile, der, 0o644)
}

func (i *Identity) take(der []byte) (newer bool, err error) {
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return false, fmt.Errorf("revocation list: %w", err)
	}
	if list.Number == nil {
		return false, errors.New("revocation list: it has no number")
	}
	signed := false
	for _, authority := range i.authorities {
		signed = signed || bytes.Equal(list.RawIssuer, authority.RawSubject) && list.CheckSignatureFrom(authority) == nil
	}
	if !signed {
		return false, errors.New("revocation list: no authority that is believed here has signed it")
	}
	i.mutex.Lock()
	defer i.mutex.Unlock()
	if i.revocations != nil && list.Number.Cmp(i.revocations.Number) <= 0 {
		return false, nil
	}
	i.revocations = list
	return true, nil
}

func (i *Identity) readRevocations(file string) error {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || len(bytes.TrimSpace(text)) == 0 {
		return err
	}
	if block, _ := pem.Decode(text); block != nil {
		text = block.Bytes
	}
	if _, err := i.take(text); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// WriteFile gives a file this content, whole or not at all.
func WriteFile(path string, content []byte, mode fs.FileMode) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.Write(content)
	if err := errors.Join(err, file.Chmod(mode), file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// Replace writes a file for root alone if it is another than before: its readers look at the time of its last change.
func Replace(path string, content []byte) error {
	if former, err := os.ReadFile(path); err == nil && bytes.Equal(former, content) {
		return nil
	}
	return WriteFile(path, content, 0o600)
}
