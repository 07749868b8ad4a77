package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// zauthKey decodes a key of zauth: libsodium's bytes in padded URL-safe base64, one line each, of which the first
// one is in use.
func zauthKey(text, kind string, size int) ([]byte, error) {
	lines := strings.Split(text, "\n")
	for _, line := range lines {
		// nginz refuses the whole file.
		if strings.TrimSpace(line) == "" {
			return nil, fmt.Errorf("the %s of zauth are missing or have an empty line", kind)
		}
	}
	key, err := base64.URLEncoding.DecodeString(lines[0])
	if err != nil || len(key) != size {
		return nil, fmt.Errorf("the first of the %s of zauth is not %d bytes in padded URL-safe base64", kind, size)
	}
	return key, nil
}

// signZauth signs with brig's private key, as brig signs access tokens.
func signZauth(given secrets, text string) ([]byte, error) {
	key, err := zauthKey(given.ZAuth.PrivateKeys, "private keys", ed25519.PrivateKeySize)
	if err != nil {
		return nil, err
	}
	return ed25519.Sign(ed25519.PrivateKey(key), []byte(text)), nil
}

// verifyZauth checks a signature with a public key, as nginz and brig check access tokens.
func verifyZauth(given secrets, text string, signature []byte) error {
	key, err := zauthKey(given.ZAuth.PublicKeys, "public keys", ed25519.PublicKeySize)
	if err != nil {
		return err
	}
	if !ed25519.Verify(key, []byte(text), signature) {
		return errors.New("the public key does not belong to brig's private key")
	}
	return nil
}

// checkZauthPair is brig's: it has both keys.
func checkZauthPair(_ context.Context, s *service) error {
	text := rand.Text()
	signature, err := signZauth(s.secrets, text)
	if err != nil {
		return err
	}
	return verifyZauth(s.secrets, text, signature)
}

// checkZauth is nginz': brig signs, and nginz verifies with the key that its own chart was given.
func checkZauth(ctx context.Context, s *service) error {
	if s.secrets.BasicAuth == "" {
		return errors.New("no basicAuth among the secrets")
	}
	text := rand.Text()
	for _, peer := range peers(ctx) {
		answer, err := get(ctx, "http://"+peer+"/i/sign?text="+text)
		// Other services answer, too, with a page.
		if err == nil && len(answer) == ed25519.SignatureSize {
			return verifyZauth(s.secrets, text, answer)
		}
	}
	return errors.New("no pod of brig signs")
}

// removalKeys are galley's, each with its curve; Ed25519 has none.
var removalKeys = map[string]string{
	"ed25519":                "",
	"ecdsa_secp256r1_sha256": "P-256",
	"ecdsa_secp384r1_sha384": "P-384",
	"ecdsa_secp521r1_sha512": "P-521",
}

// checkMLS signs with each of galley's keys for MLS.
func checkMLS(_ context.Context, s *service) error {
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(removalKeys)) {
		if err := checkRemovalKey(s.secrets.MlsPrivateKeys.Removal[name], removalKeys[name]); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", name, err))
		}
	}
	return errors.Join(problems...)
}

func checkRemovalKey(text, curve string) error {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "PRIVATE KEY" {
		return errors.New("is not PEM of PKCS#8")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return err
	}
	digest := sha256.Sum256([]byte("conformance"))
	switch key := parsed.(type) {
	case ed25519.PrivateKey:
		if curve != "" {
			return fmt.Errorf("is an Ed25519 key and not one on %s", curve)
		}
		return nil
	case *ecdsa.PrivateKey:
		if key.Curve.Params().Name != curve {
			return fmt.Errorf("is a key on %s", key.Curve.Params().Name)
		}
		if !hasPublicKey(block.Bytes) {
			return errors.New("lacks the public key, which galley insists on")
		}
		signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
		if err == nil && !ecdsa.VerifyASN1(&key.PublicKey, digest[:], signature) {
			err = errors.New("does not sign what its public key verifies")
		}
		return err
	}
	return fmt.Errorf("is a %T", parsed)
}

// hasPublicKey looks into PKCS#8 (RFC 5208) for the elliptic curve key (RFC 5915) and for the public key in that.
func hasPublicKey(pkcs8 []byte) bool {
	var outer struct {
		Version   int
		Algorithm asn1.RawValue
		Key       []byte
	}
	var inner struct {
		Version int
		Key     []byte
		Curve   asn1.ObjectIdentifier `asn1:"optional,explicit,tag:0"`
		Public  asn1.BitString        `asn1:"optional,explicit,tag:1"`
	}
	if _, err := asn1.Unmarshal(pkcs8, &outer); err != nil {
		return false
	}
	_, err := asn1.Unmarshal(outer.Key, &inner)
	return err == nil && inner.Public.BitLength > 0
}

// checkTURN looks at what brig hands out for calls. No servers are an error where conferences are set up.
func checkTURN(_ context.Context, s *service) error {
	given := s.settings
	if len(s.secrets.Turn.Secret) < 16 {
		return errors.New("turn.secret has less than 16 characters")
	}
	if len(given.TurnStatic.V2) == 0 {
		if given.OptSettings.SetSftStaticURL != "" {
			return errors.New("turnStatic.v2 is empty, though setSftStaticUrl names a server for conferences")
		}
		return nil
	}
	for _, server := range given.TurnStatic.V2 {
		parsed, err := url.Parse(server)
		if err != nil || (parsed.Scheme != "turn" && parsed.Scheme != "turns") || !strings.Contains(parsed.Opaque, ":") {
			return fmt.Errorf("turnStatic.v2: %q is not turn:HOST:PORT", server)
		}
	}
	return nil
}
