package exchange

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"wiab-staging/mesh/identity"
	"wiab-staging/mesh/settings"
	"wiab-staging/mesh/tunnel"
)

// fakeTunnel keeps what a node has told it.
type fakeTunnel struct {
	mutex sync.Mutex
	key   wgtypes.Key
	peers map[netip.Prefix]tunnel.Peer
}

func newTunnel(t *testing.T) *fakeTunnel {
	t.Helper()
	key, err := wgtypes.GeneratePrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	return &fakeTunnel{key: key, peers: map[netip.Prefix]tunnel.Peer{}}
}

func (f *fakeTunnel) Own() (wgtypes.Key, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.key.PublicKey(), nil
}

func (f *fakeTunnel) All() (map[netip.Prefix]tunnel.Peer, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	result := map[netip.Prefix]tunnel.Peer{}
	for prefix, peer := range f.peers {
		result[prefix] = peer
	}
	return result, nil
}

func (f *fakeTunnel) Set(prefix netip.Prefix, key wgtypes.Key, endpoint *net.UDPAddr, preshared *wgtypes.Key) error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	one := f.peers[prefix]
	if one.PublicKey != key {
		one = tunnel.Peer{PublicKey: key}
	}
	if endpoint != nil {
		one.Endpoint = endpoint.String()
	}
	if preshared != nil {
		one.Preshared = *preshared
	}
	f.peers[prefix] = one
	return nil
}

func (f *fakeTunnel) Remove(prefix netip.Prefix) error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	delete(f.peers, prefix)
	return nil
}

func (f *fakeTunnel) SetPrivateKey(key wgtypes.Key) error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.key = key
	return nil
}

func (f *fakeTunnel) at(prefix netip.Prefix) tunnel.Peer {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.peers[prefix]
}

// mesh is an authority with sites on the loopback interface.
type mesh struct {
	t         *testing.T
	authority *x509.Certificate
	key       ed25519.PrivateKey
	serial    int64
}

func newMesh(t *testing.T) *mesh {
	t.Helper()
	public, private, _ := ed25519.GenerateKey(rand.Reader)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mesh"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &mesh{t: t, authority: authority, key: private, serial: 1}
}

type running struct {
	node     *Node
	tunnel   *fakeTunnel
	settings *settings.Settings
	identity *identity.Identity
	serial   int64
}

// site gives the settings of a site with its certificate and a listener.
func (m *mesh) site(name string, number int) (*running, net.Listener) {
	m.t.Helper()
	directory := m.t.TempDir()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		m.t.Fatal(err)
	}
	s := &settings.Settings{
		Site: settings.Site{
			Zone: name + ".internal", Prefix: netip.MustParsePrefix(fmt.Sprintf("fd51:%d::/64", number)), Endpoint: listener.Addr().String(),
		},
		KeyFile:         filepath.Join(directory, "wireguard.key"),
		CertificateFile: filepath.Join(directory, "site.pem"),
		IdentityKeyFile: filepath.Join(directory, "site.key"),
		AuthorityFile:   filepath.Join(directory, "authority.pem"),
		RevocationsFile: filepath.Join(directory, "revocations.pem"),
		StateDirectory:  directory,
		PollSeconds:     1,
		PresharedHours:  24,
	}
	public, err := identity.MakeKeys(s)
	if err != nil {
		m.t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(public.Request))
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		m.t.Fatal(err)
	}
	m.serial++
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(m.serial), DNSNames: request.DNSNames, URIs: request.URIs,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}, m.authority, request.PublicKey, m.key)
	if err != nil {
		m.t.Fatal(err)
	}
	for file, text := range map[string][]byte{
		s.CertificateFile: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		s.AuthorityFile:   pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.authority.Raw}),
	} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			m.t.Fatal(err)
		}
	}
	return &running{settings: s, tunnel: newTunnel(m.t), serial: m.serial}, listener
}

func (r *running) start(t *testing.T, listener net.Listener, peers ...*running) {
	t.Helper()
	for _, peer := range peers {
		r.settings.Peers = append(r.settings.Peers, peer.settings.Site)
	}
	var err error
	if r.identity, err = identity.Load(r.settings); err != nil {
		t.Fatal(err)
	}
	if r.node, err = New(r.settings, r.identity, r.tunnel); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	if err := r.node.Adopt(ctx, r.settings, r.identity); err != nil {
		t.Fatal(err)
	}
	go func() { _ = r.node.Serve(ctx, listener) }()
}

// eventually waits until something holds, for a minute at most.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("gave up waiting until %s", what)
		}
	}
}

// agree says whether two sites have each other's public key and the same pre-shared key.
func agree(one, other *running) bool {
	here, there := one.tunnel.at(other.settings.Site.Prefix), other.tunnel.at(one.settings.Site.Prefix)
	ownKey, _ := one.tunnel.Own()
	otherKey, _ := other.tunnel.Own()
	return here.PublicKey == otherKey && there.PublicKey == ownKey && here.Preshared == there.Preshared && here.Preshared != wgtypes.Key{}
}

func TestTwoSitesAgreeOnKeysAndRenewThem(t *testing.T) {
	m := newMesh(t)
	a, listenerA := m.site("a", 1)
	b, listenerB := m.site("b", 2)
	a.start(t, listenerA, b)
	b.start(t, listenerB, a)
	eventually(t, "both agree", func() bool { return agree(a, b) })
	if at := a.tunnel.at(b.settings.Site.Prefix).Endpoint; at != b.settings.Site.Endpoint {
		t.Errorf("b is at %s, a has it at %s", b.settings.Site.Endpoint, at)
	}
	former := a.tunnel.at(b.settings.Site.Prefix).Preshared
	a.node.RotatePreshared()
	eventually(t, "both agree on another pre-shared key", func() bool {
		return agree(a, b) && a.tunnel.at(b.settings.Site.Prefix).Preshared != former
	})
	ownKey, _ := a.tunnel.Own()
	if err := a.node.RotatePrivate(); err != nil {
		t.Fatal(err)
	}
	if now, _ := a.tunnel.Own(); now == ownKey {
		t.Error("the private key is the former one")
	}
	eventually(t, "b has a's new key", func() bool { return agree(a, b) })
	// One of both has lost its own, as after a restart of the machine.
	_ = b.tunnel.Set(a.settings.Site.Prefix, wgtypes.Key{1}, nil, nil)
	b.node.mutex.Lock()
	b.node.peers[a.settings.Site.Zone].preshared, b.node.peers[a.settings.Site.Zone].publicKey = wgtypes.Key{}, wgtypes.Key{}
	b.node.mutex.Unlock()
	eventually(t, "both agree again", func() bool { return agree(a, b) })
}

func TestARevokedSiteIsCutOffWhereverTheListIsHeardOf(t *testing.T) {
	m := newMesh(t)
	a, listenerA := m.site("a", 1)
	b, listenerB := m.site("b", 2)
	c, listenerC := m.site("c", 3)
	a.start(t, listenerA, b, c)
	b.start(t, listenerB, a, c)
	c.start(t, listenerC, a, b)
	eventually(t, "all agree", func() bool { return agree(a, b) && agree(a, c) && agree(b, c) })
	template := &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour),
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: big.NewInt(c.serial), RevocationTime: time.Now()}},
	}
	list, err := x509.CreateRevocationList(rand.Reader, template, m.authority, m.key)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.identity.Adopt(list); err != nil {
		t.Fatal(err)
	}
	if err := a.node.Expel(); err != nil {
		t.Fatal(err)
	}
	if key := a.tunnel.at(c.settings.Site.Prefix).PublicKey; key != (wgtypes.Key{}) {
		t.Error("a still has c in its tunnel")
	}
	eventually(t, "b has heard of it", func() bool { return b.tunnel.at(c.settings.Site.Prefix).PublicKey == wgtypes.Key{} })
	if !agree(a, b) {
		t.Error("a and b no longer agree")
	}
}

func TestARestartTakesUpThePeersThatAreThere(t *testing.T) {
	m := newMesh(t)
	a, listenerA := m.site("a", 1)
	b, listenerB := m.site("b", 2)
	a.start(t, listenerA, b)
	b.start(t, listenerB, a)
	eventually(t, "both agree, and a remembers b", func() bool {
		_, err := os.Stat(a.node.certificateFile(b.settings.Site))
		return agree(a, b) && err == nil
	})
	stranger := netip.MustParsePrefix("fd51:9::/64")
	_ = a.tunnel.Set(stranger, wgtypes.Key{9}, nil, nil)
	before := a.tunnel.at(b.settings.Site.Prefix)
	if _, err := New(a.settings, a.identity, a.tunnel); err != nil {
		t.Fatal(err)
	}
	if a.tunnel.at(b.settings.Site.Prefix) != before {
		t.Error("the peer was touched")
	}
	if a.tunnel.at(stranger).PublicKey != (wgtypes.Key{}) {
		t.Error("a peer that nobody knows has stayed")
	}
}

func TestASiteThatIsNotConfiguredIsRefused(t *testing.T) {
	m := newMesh(t)
	a, listenerA := m.site("a", 1)
	b, listenerB := m.site("b", 2)
	a.start(t, listenerA)
	b.start(t, listenerB, a)
	eventually(t, "b says that a refuses it", func() bool {
		status, err := b.node.Status()
		return err == nil && len(status.Peers) == 1 && status.Peers[0].Trouble != ""
	})
	if len(a.tunnel.peers) != 0 || len(b.tunnel.peers) != 0 {
		t.Error("they have each other in their tunnels")
	}
}
