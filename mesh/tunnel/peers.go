package tunnel

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"wiab-staging/mesh/settings"
)

// Peers are those of the interface.
type Peers struct {
	client   *wgctrl.Client
	settings *settings.Settings
}

// Peer is what the interface knows of a site.
type Peer struct {
	PublicKey wgtypes.Key
	Preshared wgtypes.Key
	Handshake time.Time
	Received  int64
	Sent      int64
	Endpoint  string
}

// NewPeers gives the peers of the interface that the settings name.
func NewPeers(s *settings.Settings) (*Peers, error) {
	client, err := wgctrl.New()
	return &Peers{client, s}, err
}

// Own gives the interface's public key.
func (p *Peers) Own() (wgtypes.Key, error) {
	found, err := p.client.Device(p.settings.Interface)
	if errors.Is(err, fs.ErrNotExist) {
		return wgtypes.Key{}, errors.New("the interface " + p.settings.Interface + " is not there (yet)")
	}
	if err != nil {
		return wgtypes.Key{}, err
	}
	return found.PublicKey, nil
}

// All gives the peers by their prefixes.
func (p *Peers) All() (map[netip.Prefix]Peer, error) {
	found, err := p.client.Device(p.settings.Interface)
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

// keepAlive holds a way through firewalls that forget a UDP connection after 30 s.
const keepAlive = 25 * time.Second

// Set has a site reached by this key. A former key of its is taken away in the same step. An endpoint or a pre-shared key that is nil
// stays as it is.
func (p *Peers) Set(prefix netip.Prefix, key wgtypes.Key, endpoint *net.UDPAddr, preshared *wgtypes.Key) error {
	all, err := p.All()
	if err != nil {
		return err
	}
	former, known := all[prefix]
	one := wgtypes.PeerConfig{PublicKey: key, Endpoint: endpoint, PresharedKey: preshared}
	if known && former.PublicKey == key {
		// Its addresses are left alone: replacing them would take them away for a moment.
		return p.client.ConfigureDevice(p.settings.Interface, wgtypes.Config{Peers: []wgtypes.PeerConfig{one}})
	}
	alive := keepAlive
	one.PersistentKeepaliveInterval = &alive
	// They move here from whoever has had them.
	one.AllowedIPs = []net.IPNet{{IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), 128)}}
	change := []wgtypes.PeerConfig{one}
	if known {
		change = append(change, wgtypes.PeerConfig{PublicKey: former.PublicKey, Remove: true})
	}
	if err := p.client.ConfigureDevice(p.settings.Interface, wgtypes.Config{Peers: change}); err != nil {
		return err
	}
	return AddRoute(p.settings, prefix)
}

// Remove cuts a site off at once.
func (p *Peers) Remove(prefix netip.Prefix) error {
	all, err := p.All()
	if err != nil {
		return err
	}
	peer, known := all[prefix]
	if !known {
		return nil
	}
	change := []wgtypes.PeerConfig{{PublicKey: peer.PublicKey, Remove: true}}
	if err := p.client.ConfigureDevice(p.settings.Interface, wgtypes.Config{Peers: change}); err != nil {
		return err
	}
	return RemoveRoute(prefix)
}

// SetPrivateKey gives the interface another key. It ends all sessions; the peers have to be told.
func (p *Peers) SetPrivateKey(key wgtypes.Key) error {
	return p.client.ConfigureDevice(p.settings.Interface, wgtypes.Config{PrivateKey: &key})
}
