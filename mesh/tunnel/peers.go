package tunnel

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"wiab-staging/mesh/settings"
)

// Peers are those of a gateway's links.
type Peers struct {
	client   devices
	settings *settings.Settings
	links    [settings.LinkCount]settings.Link

	mutex sync.Mutex
	// rules are those that were written last, in nft's words.
	rules string
	looks [settings.LinkCount]look
}

// devices is what a wgctrl.Client does.
type devices interface {
	Device(name string) (*wgtypes.Device, error)
	ConfigureDevice(name string, config wgtypes.Config) error
}

// lookLife is how long a look at a link is used unless it is changed here: an exchange takes several, and with 300 peers there are
// more than a hundred exchanges in a second.
const lookLife = 200 * time.Millisecond

// look is what was seen of a link.
type look struct {
	at    time.Time
	found *wgtypes.Device
}

func (p *Peers) look(link int) (*wgtypes.Device, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if last := p.looks[link]; last.found != nil && time.Since(last.at) < lookLife {
		return last.found, nil
	}
	at := time.Now()
	found, err := p.client.Device(p.links[link].Name)
	if err == nil {
		p.looks[link] = look{at, found}
	}
	return found, err
}

func (p *Peers) change(link int, config wgtypes.Config) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.looks[link] = look{}
	return p.client.ConfigureDevice(p.links[link].Name, config)
}

// Peer is what a link knows of a site.
type Peer struct {
	PublicKey wgtypes.Key
	Preshared wgtypes.Key
	Handshake time.Time
	Received  int64
	Sent      int64
	Endpoint  string
}

// NewPeers gives the peers of the links that the settings name.
func NewPeers(s *settings.Settings) (*Peers, error) {
	client, err := wgctrl.New()
	return &Peers{client: client, settings: s, links: s.Links()}, err
}

// Own gives a link's public key.
func (p *Peers) Own(link int) (wgtypes.Key, error) {
	found, err := p.look(link)
	if errors.Is(err, fs.ErrNotExist) {
		return wgtypes.Key{}, errors.New("the interface " + p.links[link].Name + " is not there (yet)")
	}
	if err != nil {
		return wgtypes.Key{}, err
	}
	return found.PublicKey, nil
}

// All gives a link's peers by their prefixes.
func (p *Peers) All(link int) (map[netip.Prefix]Peer, error) {
	found, err := p.look(link)
	if err != nil {
		return nil, err
	}
	result := map[netip.Prefix]Peer{}
	for _, peer := range found.Peers {
		for _, allowed := range peer.AllowedIPs {
			prefix, err := netip.ParsePrefix(allowed.String())
			if err != nil {
				return nil, err
			}
			one := Peer{PublicKey: peer.PublicKey, Preshared: peer.PresharedKey, Handshake: peer.LastHandshakeTime, Received: peer.ReceiveBytes, Sent: peer.TransmitBytes}
			if peer.Endpoint != nil {
				one.Endpoint = peer.Endpoint.String()
			}
			result[prefix] = one
		}
	}
	return result, nil
}

// keepAlive holds a way through firewalls that forget a UDP connection after 30 s, and keeps the link that is not used ready.
const keepAlive = 25 * time.Second

// Set has a site known to a link by this key. A former key of its is taken away in the same step. An endpoint or a pre-shared key
// that is nil stays as it is.
func (p *Peers) Set(link int, prefix netip.Prefix, key wgtypes.Key, endpoint *net.UDPAddr, preshared *wgtypes.Key) error {
	all, err := p.All(link)
	if err != nil {
		return err
	}
	former, known := all[prefix]
	one := wgtypes.PeerConfig{PublicKey: key, Endpoint: endpoint, PresharedKey: preshared}
	if known && former.PublicKey == key {
		// Its addresses are left alone: replacing them would take them away for a moment.
		return p.configure(link, one)
	}
	alive := keepAlive
	one.PersistentKeepaliveInterval = &alive
	// They move here from whoever has had them.
	one.AllowedIPs = []net.IPNet{{IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), 128)}}
	if known {
		return p.configure(link, one, wgtypes.PeerConfig{PublicKey: former.PublicKey, Remove: true})
	}
	return p.configure(link, one)
}

func (p *Peers) configure(link int, peers ...wgtypes.PeerConfig) error {
	return p.change(link, wgtypes.Config{Peers: peers})
}

// Route sends a site's prefix by a link, from the gateway's own address.
func (p *Peers) Route(link int, prefix netip.Prefix) error {
	return ip("-6", "route", "replace", prefix.String(), "dev", p.links[link].Name, "src", p.settings.Site.Gateway().String(), "metric", "1024")
}

// Remove cuts a site off at once, and keeps what is for it from the site's other ways out.
func (p *Peers) Remove(prefix netip.Prefix) error {
	known := false
	for link := range p.links {
		all, err := p.All(link)
		if err != nil {
			return err
		}
		if peer, there := all[prefix]; there {
			known = true
			if err := p.configure(link, wgtypes.PeerConfig{PublicKey: peer.PublicKey, Remove: true}); err != nil {
				return err
			}
		}
	}
	if !known {
		return nil
	}
	return ip("-6", "route", "replace", "unreachable", prefix.String(), "dev", "lo", "metric", "1024")
}

// SetPrivateKey gives a link another key. It ends the link's sessions; the peers have to be told.
func (p *Peers) SetPrivateKey(link int, key wgtypes.Key) error {
	return p.change(link, wgtypes.Config{PrivateKey: &key})
}
