// Package exchange has sites tell one another, over mutual TLS, the public keys and endpoints of their tunnels.
package exchange

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"log"
	"math/big"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"wiab-staging/mesh/identity"
	"wiab-staging/mesh/settings"
	"wiab-staging/mesh/tunnel"
)

// Tunnel is what a node changes.
type Tunnel interface {
	Own(link int) (wgtypes.Key, error)
	All(link int) (map[netip.Prefix]tunnel.Peer, error)
	Set(link int, prefix netip.Prefix, key wgtypes.Key, endpoint *net.UDPAddr, preshared *wgtypes.Key) error
	Route(link int, prefix netip.Prefix) error
	Remove(prefix netip.Prefix) error
	SetPrivateKey(link int, key wgtypes.Key) error
}

// Node is a site among its peers.
type Node struct {
	tunnel Tunnel

	mutex    sync.Mutex
	settings *settings.Settings
	identity *identity.Identity
	peers    map[string]*peer
	// leave is the link whose key is about to be renewed; none where no key is.
	leave int
	// renewed is when the key of a link was renewed last: a handshake from before is none any more.
	renewed [settings.LinkCount]time.Time
}

// none is no link.
const none = -1

// peer is what is known of a site beyond its settings.
type peer struct {
	site settings.Site
	stop context.CancelFunc
	// kick has it asked at once.
	kick chan struct{}
	// certificate is the one that it has shown last.
	certificate *x509.Certificate
	// using is the link by which this site sends to it.
	using int
	// sending is the link by which it sends, and leaves the one that it is about to renew, as it has said last.
	sending, leaves int
	// unchanged counts the exchanges since one of both has changed the link by which it sends.
	unchanged   int
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
	// said are the services that it lets this site use, as it has said last, and services what of them is usable.
	said, services []Service
}

// Offer is what both sides of an exchange say.
type Offer struct {
	// PublicKeys of the sender's links.
	PublicKeys []string `json:"publicKeys"`
	Endpoint   string   `json:"endpoint"`
	// Using is the link by which the sender sends to the other, and Leave the one whose key it is about to renew: the other is
	// asked to send by another. -1 is none.
	Using int `json:"using"`
	Leave int `json:"leave"`
	// Preshared is a digest of the pre-shared key that the sender has for the other; empty without one.
	Preshared string `json:"preshared"`
	// Services of the sender's that the other may use; a site of an earlier release says none.
	Services []Service `json:"services"`
	// Roll has both take a new pre-shared key from the very connection that this offer comes by.
	Roll bool `json:"roll"`
	// RevocationsNumber is that of the sender's revocation list, and Revocations a list with a higher number than the other's.
	RevocationsNumber *big.Int `json:"revocationsNumber"`
	Revocations       []byte   `json:"revocations,omitempty"`
}

// New gives a node that takes up the peers which the tunnel has, so that a restart interrupts nobody.
func New(s *settings.Settings, who *identity.Identity, t Tunnel) (*Node, error) {
	node := &Node{tunnel: t, settings: s, identity: who, peers: map[string]*peer{}, leave: none}
	certificates := map[netip.Prefix]bool{}
	remote, err := settings.ReadRemote(s)
	if err != nil {
		log.Print(err)
	}
	for _, site := range s.Peers {
		one := newPeer(site)
		one.services = recall(site, remote)
		one.said = one.services
		node.peers[site.Zone] = one
		certificate, err := node.remembered(site)
		if err == nil {
			one.certificate = certificate
			certificates[site.Prefix] = true
		} else if !errors.Is(err, fs.ErrNotExist) {
			log.Printf("%s: its certificate of before the restart: %v", site.Zone, err)
		}
	}
	for link := range settings.LinkCount {
		known, err := t.All(link)
		if err != nil {
			return nil, err
		}
		for prefix := range known {
			if !certificates[prefix] {
				if err := t.Remove(prefix); err != nil {
					return nil, err
				}
			}
		}
		for _, one := range node.peers {
			if found, there := known[one.site.Prefix]; there && one.certificate != nil {
				one.preshared, one.joined, one.presharedAt = found.Preshared, time.Now(), time.Now()
			}
		}
	}
	for _, one := range node.peers {
		if one.joined.IsZero() {
			one.certificate = nil
		} else if err := node.choose(one); err != nil {
			return nil, err
		}
	}
	return node, nil
}

func newPeer(site settings.Site) *peer {
	return &peer{site: site, kick: make(chan struct{}, 1), using: none, sending: none, leaves: none}
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
			n.peers[site.Zone] = newPeer(site)
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
	failed := n.expel()
	n.tellMachines()
	return errors.Join(gone, failed)
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
			one.using, one.preshared, one.joined = none, wgtypes.Key{}, time.Time{}
			one.said, one.services = nil, nil
			failed = errors.Join(failed, n.tunnel.Remove(one.site.Prefix))
			n.tellMachines()
		}
	}
	return failed
}

// leads says which of two sites decides when a pre-shared key is renewed.
func (n *Node) leads(one *peer) bool { return n.settings.Site.Zone < one.site.Zone }

// offer says what there is to say to a peer, whose revocation list has this number.
func (n *Node) offer(one *peer, number *big.Int) (*Offer, error) {
	list, ours := n.identity.Revocations()
	result := &Offer{
		Endpoint: n.settings.Site.Endpoint, Using: one.using, Leave: n.leaving(),
		Preshared: digest(one.preshared), RevocationsNumber: ours, Services: n.servicesFor(one.site.Zone),
	}
	for link := range settings.LinkCount {
		own, err := n.tunnel.Own(link)
		if err != nil {
			return nil, err
		}
		result.PublicKeys = append(result.PublicKeys, own.String())
	}
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
