package identity_test

import (
	"encoding/pem"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"wiab-staging/mesh/identity"
	"wiab-staging/mesh/internal/testauthority"
	"wiab-staging/mesh/settings"
)

func site(t *testing.T, a *testauthority.Authority) *settings.Settings {
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
	a.Identify(t, s)
	return s
}

func write(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestKeysAreMadeOnceAndForTheirOwnerAlone(t *testing.T) {
	s := site(t, testauthority.New(t, "mesh"))
	first, err := identity.MakeKeys(s)
	if err != nil {
		t.Fatal(err)
	}
	again, err := identity.MakeKeys(s)
	if err != nil || !slices.Equal(again.PublicKeys, first.PublicKeys) {
		t.Errorf("made again: %v, %v", again, err)
	}
	for _, file := range []string{s.KeyFile, s.IdentityKeyFile} {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", file, info.Mode(), err)
		}
	}
}

func TestTheRequestOfASiteGivesItsCertificate(t *testing.T) {
	a := testauthority.New(t, "mesh")
	s := site(t, a)
	who, err := identity.Load(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := who.Verify(who.Leaf()); err != nil {
		t.Error(err)
	}
	s.Site.Prefix = netip.MustParsePrefix("fd51:2::/64")
	if _, err := identity.Load(s); err == nil {
		t.Error("a certificate for another prefix is taken as its own")
	}
}

func TestAnEmptyFileRevokesNothing(t *testing.T) {
	s := site(t, testauthority.New(t, "mesh"))
	write(t, s.RevocationsFile, nil)
	if who, err := identity.Load(s); err != nil || who.Revoked(who.Leaf()) != nil {
		t.Errorf("an empty revocation list: %v", err)
	}
}

func TestRevocationListsGrow(t *testing.T) {
	a, other := testauthority.New(t, "mesh"), testauthority.New(t, "mesh")
	s := site(t, a)
	write(t, s.RevocationsFile, pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: a.Revoke(t, 1)}))
	who, err := identity.Load(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := who.Adopt(other.Revoke(t, 9, 2)); err == nil || who.Revoked(who.Leaf()) != nil {
		t.Error("a list of another authority of the same name is believed")
	}
	if err := who.Adopt(a.Revoke(t, 2, 2)); err != nil || who.Revoked(who.Leaf()) == nil {
		t.Errorf("a newer list is not taken: %v", err)
	}
	if err := who.Adopt(a.Revoke(t, 1)); err != nil || who.Revoked(who.Leaf()) == nil {
		t.Errorf("an older list takes a revocation back: %v", err)
	}
	// What was heard from a peer outlives the process, whatever the file says.
	again, err := identity.Load(s)
	if err != nil || again.Revoked(again.Leaf()) == nil {
		t.Errorf("a restart takes a revocation back: %v", err)
	}
}
