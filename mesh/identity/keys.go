package identity

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"wiab-staging/mesh/settings"
)

// Public is what a gateway tells of its keys.
type Public struct {
	// PublicKeys of the links, in base64.
	PublicKeys []string `json:"publicKeys"`
	// Request asks an authority for this site's certificate, in PEM.
	Request string `json:"request"`
}

// MakeKeys makes the keys that are missing and gives the public part of all.
func MakeKeys(s *settings.Settings) (*Public, error) {
	result := &Public{}
	for _, link := range s.Links() {
		key, err := WireGuardKey(link.KeyFile)
		if err != nil {
			return nil, err
		}
		result.PublicKeys = append(result.PublicKeys, key.PublicKey().String())
	}
	signer, err := identityKey(s.IdentityKeyFile)
	if err != nil {
		return nil, err
	}
	prefix, err := url.Parse(PrefixScheme + s.Site.Prefix.String())
	if err != nil {
		return nil, err
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{s.Site.Zone}, URIs: []*url.URL{prefix}}, signer)
	if err != nil {
		return nil, err
	}
	result.Request = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: request}))
	return result, nil
}

// WireGuardKey reads the private key in a file, and makes it first if there is none.
func WireGuardKey(file string) (wgtypes.Key, error) {
	text, err := os.ReadFile(file)
	if err == nil {
		key, err := wgtypes.ParseKey(string(text))
		if err != nil {
			return key, fmt.Errorf("%s: it is no private key of WireGuard", file)
		}
		return key, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return wgtypes.Key{}, err
	}
	return NewWireGuardKey(file)
}

// NewWireGuardKey puts a new private key into a file.
func NewWireGuardKey(file string) (wgtypes.Key, error) {
	key, err := wgtypes.GeneratePrivateKey()
	if err != nil {
		return key, err
	}
	return key, WriteFile(file, []byte(key.String()), 0o600)
}

func identityKey(file string) (crypto.Signer, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, err
		}
		return key, WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s: it is no private key in PEM", file)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: it is no private key of PKCS#8", file)
	}
	signer, able := key.(crypto.Signer)
	if !able {
		return nil, fmt.Errorf("%s: its key signs nothing", file)
	}
	return signer, nil
}
