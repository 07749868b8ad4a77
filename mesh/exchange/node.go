// Package exchange has sites tell one another, over mutual TLS, the public keys and endpoints of their tunnels.
package exchange

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"wiab-staging/mesh/identity"
	"wiab-staging/mesh/settings"
	"wiab-staging/mesh/tunnel"
)

// Tunnel is what a node changes.
type Tunnel interface {
	Own() (wgtypes.Key, error)
	All() (map[netip.Prefix]tunnel.Peer, error)
	Set(prefix netip.Prefix, key wgtypes.Key, endpoint *net.UDPAddr, preshared *wgtypes.Key) error
	Remove(prefix netip.Prefix) error
	SetPrivateKey(key wgtypes.Key) error
}

// Node is a site among its peers.
type Node struct {
	tunnel Tunnel

	mutex    sync.Mutex
	settings *settings.Settings
	identity *identity.Identity
	peers    map[string]*peer
}

// peer is what is known of a site beyond its settings.
type peer struct {
	site settings.Site
	stop context.CancelFunc
	// kick has it asked at once.
	kick chan struct{}
	// certificate is the one that it has shown last.
	certificate *x509.Certificate
	publicKey   wgtypes.Key
	preshared   wgtypes.Key
	presharedAt time.Time
	// announced is where the site itself says that it is reached.
	announced string
	// endpoint is where the exchange has reached it last.
	endpoint string
	// disagrees says that the site had another pre-shared key when it was asked last.
	disagrees bool
	// rolling says that a new pre-shared key is on its way to the site.
	rolling bool
	// theirs is the number of the revocation list that the site had when it was asked last.
	theirs *big.Int
	joined time.Time
	// trouble is why it could not be asked; empty where it could.
	trouble string
	// cut is why it is kept out.
	cut string
}

// Offer is what both sides of an exchange say.
type Offer struct {
	PublicKey string `json:"publicKey"`
	Endpoint  string `json:"endpoint"`
	// Preshared is a digest of the pre-shared key that the sender has for the other; empty without one.
	Preshared string `json:"preshared"`
	// Roll has both take a new pre-shared key from the very connection that this offer comes by.
	Roll bool `json:"roll"`
	// RevocationsNumber is that of the sender's revocation list, and Revocations a list with a higher number than the other's.
	RevocationsNumber *big.Int `json:"revocationsNumber"`
	Revocations       []byte   `json:"revocations,omitempty"`
}

// New gives a node that takes up the peers which the tunnel has, so that a restart interrupts nobody.
func New(s *settings.Settings, who *identity.Identity, t Tunnel) (*Node, error) {
	node := &Node{tunnel: t, settings: s, identity: who, peers: map[string]*peer{}}
	known, err := t.All()
	if err != nil {
		return nil, err
	}
	for _, site := range s.Peers {
		one := &peer{site: site, kick: make(chan struct{}, 1)}
		node.peers[site.Zone] = one
		found, there := known[site.Prefix]
		if !there {
			continue
		}
		certificate, err := node.remembered(site)
		if err != nil {
			log.Printf("%s: its certificate of before the restart: %v", site.Zone, err)
			continue
		}
		one.certificate, one.publicKey, one.preshared = certificate, found.PublicKey, found.Preshared
		one.joined, one.presharedAt = time.Now(), time.Now()
	}
	for prefix := range known {
		kept := false
		for _, one := range node.peers {
			kept = kept || one.site.Prefix == prefix && one.certificate != nil
		}
		if !kept {
			if err := t.Remove(prefix); err != nil {
				return nil, err
			}
		}
	}
	return node, nil
}

// Settings gives those in force.
func (n *Node) Settings() *settings.Settings {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	return n.settings
}

// Adopt takes new settings and a newly read identity. Peers that stay are not interrupted.
func (n *Node) Adopt(ctx context.Context, s *settings.Settings, who *identity.Identity) error {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	var gone error
	for zone, one := range n.peers {
		site, stays := s.Peer(zone)
		if stays && site.Prefix == one.site.Prefix {
			if site != one.site {
				one.site, one.announced = site, ""
			}
			continue
		}
		if one.stop != nil {
			one.stop()
		}
		gone = errors.Join(gone, n.tunnel.Remove(one.site.Prefix))
		delete(n.peers, zone)
	}
	n.settings, n.identity = s, who
	for _, site := range s.Peers {
		if n.peers[site.Zone] == nil {
			n.peers[site.Zone] = &peer{site: site, kick: make(chan struct{}, 1)}
		}
	}
	for zone, one := range n.peers {
		if one.stop == nil {
			var own context.Context
			own, one.stop = context.WithCancel(ctx)
			go n.follow(own, zone, one.kick)
		} else {
			wake(one)
		}
	}
	return errors.Join(gone, n.expel())
}

// Expel cuts off whose certificate was revoked or has run out.
func (n *Node) Expel() error {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	return n.expel()
}

func (n *Node) expel() error {
	var failed error
	for zone, one := range n.peers {
		if one.certificate == nil || one.cut != "" {
			continue
		}
		if err := n.identity.Verify(one.certificate); err != nil {
			log.Printf("%s: cut off: %v", zone, err)
			one.cut = err.Error()
			one.publicKey, one.preshared, one.joined = wgtypes.Key{}, wgtypes.Key{}, time.Time{}
			failed = errors.Join(failed, n.tunnel.Remove(one.site.Prefix))
		}
	}
	return failed
}

// leads says which of two sites decides when a pre-shared key is renewed.
func (n *Node) leads(one *peer) bool { return n.settings.Site.Zone < one.site.Zone }

// offer says what there is to say to a peer, whose revocation list has this number.
func (n *Node) offer(one *peer, number *big.Int) (*Offer, error) {
	own, err := n.tunnel.Own()
	if err != nil {
		return nil, err
	}
	list, ours := n.identity.Revocations()
	result := &Offer{PublicKey: own.String(), Endpoint: n.settings.Site.Endpoint, Preshared: digest(one.preshared), RevocationsNumber: ours}
	if number != nil && ours.Cmp(number) > 0 {
		result.Revocations = list
	}
	return result, nil
}

// due says whether a pre-shared key has to be made: there is none, the other has another, or it was used long enough.
func (n *Node) due(one *peer) bool {
	return one.preshared == (wgtypes.Key{}) || one.disagrees || time.Since(one.presharedAt) > n.settings.PresharedLife()
}

func digest(key wgtypes.Key) string {
	if key == (wgtypes.Key{}) {
		return ""
	}
	sum := sha256.Sum256(key[:])
	return base64.StdEncoding.EncodeToString(sum[:8])
}

// take puts what a peer has offered into the tunnel. A preshared that is nil leaves the key as it is.
func (n *Node) take(one *peer, certificate *x509.Certificate, theirs *Offer, endpoint *net.UDPAddr, preshared *wgtypes.Key) error {
	key, err := wgtypes.ParseKey(theirs.PublicKey)
	if err != nil {
		return fmt.Errorf("%s offers no public key: %w", one.site.Zone, err)
	}
	all, err := n.tunnel.All()
	if err != nil {
		return err
	}
	// Looked up each time: the device may have been made anew.
	changed := all[one.site.Prefix].PublicKey != key
	if changed && preshared == nil && one.preshared != (wgtypes.Key{}) {
		// To the tunnel another key is another peer, which starts without one.
		preshared = &one.preshared
	}
	if at, err := netip.ParseAddrPort(one.endpoint); changed && endpoint == nil && err == nil {
		endpoint = net.UDPAddrFromAddrPort(at)
	}
	if changed || endpoint != nil || preshared != nil {
		if err := n.tunnel.Set(one.site.Prefix, key, endpoint, preshared); err != nil {
			return err
		}
	}
	if preshared != nil && *preshared != one.preshared {
		one.preshared, one.presharedAt = *preshared, time.Now()
	}
	if endpoint != nil {
		one.endpoint = endpoint.String()
	}
	if one.joined.IsZero() {
		one.joined = time.Now()
		log.Printf("%s: joined", one.site.Zone)
	}
	one.publicKey, one.cut = key, ""
	if theirs.Endpoint != one.announced {
		one.announced = theirs.Endpoint
		wake(one)
	}
	if one.certificate == nil || !one.certificate.Equal(certificate) {
		one.certificate = certificate
		return n.remember(one.site, certificate)
	}
	return nil
}

func (n *Node) certificateFile(site settings.Site) string {
	return filepath.Join(n.settings.StateDirectory, site.Zone+".der")
}

func (n *Node) remember(site settings.Site, certificate *x509.Certificate) error {
	return identity.WriteFile(n.certificateFile(site), certificate.Raw, 0o644)
}

func (n *Node) remembered(site settings.Site) (*x509.Certificate, error) {
	der, err := os.ReadFile(n.certificateFile(site))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("it is not known")
	}
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return certificate, n.identity.Verify(certificate)
}

func wake(one *peer) {
	select {
	case one.kick <- struct{}{}:
	default:
	}
}

func decode(text []byte) (*Offer, error) {
	result := &Offer{}
	if err := json.Unmarshal(text, result); err != nil {
		return nil, err
	}
	if result.RevocationsNumber == nil {
		result.RevocationsNumber = new(big.Int)
	}
	return result, nil
}
