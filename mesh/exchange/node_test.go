package exchange

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"wiab-staging/mesh/identity"
	"wiab-staging/mesh/internal/testauthority"
	"wiab-staging/mesh/settings"
	"wiab-staging/mesh/tunnel"
)

// fakeTunnel keeps what a node has told it. Its handshakes take no time.
type fakeTunnel struct {
	mutex  sync.Mutex
	keys   [settings.LinkCount]wgtypes.Key
	peers  [settings.LinkCount]map[netip.Prefix]tunnel.Peer
	routes map[netip.Prefix]int
	// used counts the routes that were on a link when its key was renewed.
	used int
	// real has the handshakes that were written down; else each is of just now.
	real bool
}

func newTunnel(t *testing.T) *fakeTunnel {
	t.Helper()
	result := &fakeTunnel{routes: map[netip.Prefix]int{}}
	for link := range result.keys {
		key, err := wgtypes.GeneratePrivateKey()
		if err != nil {
			t.Fatal(err)
		}
		result.keys[link], result.peers[link] = key, map[netip.Prefix]tunnel.Peer{}
	}
	return result
}

func (f *fakeTunnel) Own(link int) (wgtypes.Key, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.keys[link].PublicKey(), nil
}

func (f *fakeTunnel) All(link int) (map[netip.Prefix]tunnel.Peer, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	result := map[netip.Prefix]tunnel.Peer{}
	for prefix, peer := range f.peers[link] {
		if !f.real {
			peer.Handshake = time.Now()
		}
		result[prefix] = peer
	}
	return result, nil
}

func (f *fakeTunnel) Set(link int, prefix netip.Prefix, key wgtypes.Key, endpoint *net.UDPAddr, preshared *wgtypes.Key) error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	one := f.peers[link][prefix]
	if one.PublicKey != key {
		one = tunnel.Peer{PublicKey: key}
	}
	if endpoint != nil {
		one.Endpoint = endpoint.String()
	}
	if preshared != nil {
		one.Preshared = *preshared
	}
	f.peers[link][prefix] = one
	return nil
}

func (f *fakeTunnel) Route(link int, prefix netip.Prefix) error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.routes[prefix] = link
	return nil
}

func (f *fakeTunnel) Remove(prefix netip.Prefix) error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	for link := range f.peers {
		delete(f.peers[link], prefix)
	}
	return nil
}

func (f *fakeTunnel) SetPrivateKey(link int, key wgtypes.Key) error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.keys[link] = key
	for _, route := range f.routes {
		if route == link {
			f.used++
		}
	}
	return nil
}

func (f *fakeTunnel) at(prefix netip.Prefix) tunnel.Peer {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.peers[0][prefix]
}

// mesh is an authority with sites on the loopback interface.
type mesh struct {
	*testauthority.Authority
	t *testing.T
}

func newMesh(t *testing.T) *mesh {
	t.Helper()
	return &mesh{testauthority.New(t, "mesh"), t}
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
	serial := m.Identify(m.t, s)
	return &running{settings: s, tunnel: newTunnel(m.t), serial: serial}, listener
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

// agree says whether two sites have each other's public keys and the same pre-shared key on both links.
func agree(one, other *running) bool {
	for link := range settings.LinkCount {
		here, _ := one.tunnel.All(link)
		there, _ := other.tunnel.All(link)
		far, near := here[other.settings.Site.Prefix], there[one.settings.Site.Prefix]
		ownKey, _ := one.tunnel.Own(link)
		otherKey, _ := other.tunnel.Own(link)
		if far.PublicKey != otherKey || near.PublicKey != ownKey || far.Preshared != near.Preshared || far.Preshared == (wgtypes.Key{}) {
			return false
		}
	}
	return true
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
	// One of both has lost its own, as after a restart of the machine.
	_ = b.tunnel.Set(0, a.settings.Site.Prefix, wgtypes.Key{1}, nil, nil)
	b.node.mutex.Lock()
	b.node.peers[a.settings.Site.Zone].preshared = wgtypes.Key{}
	b.node.mutex.Unlock()
	eventually(t, "both agree again", func() bool { return agree(a, b) })
}

func TestPrivateKeysAreRenewedWhereNobodySends(t *testing.T) {
	m := newMesh(t)
	a, listenerA := m.site("a", 1)
	b, listenerB := m.site("b", 2)
	c, listenerC := m.site("c", 3)
	a.start(t, listenerA, b, c)
	b.start(t, listenerB, a, c)
	c.start(t, listenerC, a, b)
	all := func() bool { return agree(a, b) && agree(a, c) && agree(b, c) }
	eventually(t, "all agree", all)
	var rotations sync.WaitGroup
	// Two sites at once: neither asks for the link that the other leaves.
	for _, one := range []*running{a, b} {
		former := one.tunnel.keys
		rotations.Go(func() {
			said, err := one.node.RotatePrivate(context.Background())
			if err != nil || said != "" {
				t.Errorf("%s: %q, %v", one.settings.Site.Zone, said, err)
			}
			for link := range settings.LinkCount {
				if own, _ := one.tunnel.Own(link); own == former[link].PublicKey() {
					t.Errorf("%s: link %d has its former key", one.settings.Site.Zone, link)
				}
			}
		})
	}
	rotations.Wait()
	eventually(t, "all agree on the new keys", all)
	if a.tunnel.used != 0 || b.tunnel.used != 0 {
		t.Errorf("keys were renewed under %d and %d routes", a.tunnel.used, b.tunnel.used)
	}
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
	if err := a.identity.Adopt(m.Revoke(t, 1, c.serial)); err != nil {
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
	_ = a.tunnel.Set(0, stranger, wgtypes.Key{9}, nil, nil)
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
	if len(a.tunnel.peers[0]) != 0 || len(b.tunnel.peers[0]) != 0 {
		t.Error("they have each other in their tunnels")
	}
}
