package exchange

import (
	"fmt"
	"io"
	"sort"
	"strings"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"wiab-staging/mesh/identity"
)

// Status is what a gateway says of itself.
type Status struct {
	Zone      string `json:"zone"`
	PublicKey string `json:"publicKey"`
	// DaysLeft is what the site's own certificate has.
	DaysLeft float64      `json:"daysLeft"`
	Peers    []PeerStatus `json:"peers"`
}

// PeerStatus is what it says of a peer.
type PeerStatus struct {
	Zone string `json:"zone"`
	// State is joined, waiting or cut.
	State string `json:"state"`
	// Trouble is what is wrong, and what to look at; empty where nothing is.
	Trouble  string `json:"trouble,omitempty"`
	Endpoint string `json:"endpoint,omitempty"`
	// HandshakeAge in seconds; -1 where there was none.
	HandshakeAge float64 `json:"handshakeAge"`
	Received     int64   `json:"received"`
	Sent         int64   `json:"sent"`
	// DaysLeft is what its certificate has; 0 where none was seen.
	DaysLeft float64 `json:"daysLeft"`
	// Preshared is a digest of the pre-shared key, the same on both sides where they agree.
	Preshared string `json:"preshared,omitempty"`
}

// handshakeLimit is what WireGuard takes to notice that a peer is gone: a session is renewed after 120 s and tried for
// 15 s more with keepalives on.
const handshakeLimit = 135 * time.Second

// firstHandshake is what the first handshake may take once both sides know one another; WireGuard tries every 5 s.
const firstHandshake = 12 * time.Second

// Status looks at the tunnel and at what the exchanges have said.
func (n *Node) Status() (*Status, error) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	own, err := n.tunnel.Own()
	if err != nil {
		return nil, err
	}
	all, err := n.tunnel.All()
	if err != nil {
		return nil, err
	}
	result := &Status{Zone: n.settings.Site.Zone, PublicKey: own.String(), DaysLeft: days(n.identity.Leaf().NotAfter), Peers: []PeerStatus{}}
	for zone, one := range n.peers {
		found, there := all[one.site.Prefix]
		status := PeerStatus{Zone: zone, State: "waiting", Trouble: one.trouble, HandshakeAge: -1, Preshared: digest(one.preshared)}
		if one.certificate != nil {
			status.DaysLeft = days(one.certificate.NotAfter)
		}
		switch {
		case one.cut != "":
			status.State, status.Trouble = "cut", strings.TrimSuffix(one.cut+"; "+one.trouble, "; ")
		case there:
			status.State, status.Endpoint, status.Received, status.Sent = "joined", found.Endpoint, found.Received, found.Sent
			if !found.Handshake.IsZero() {
				status.HandshakeAge = time.Since(found.Handshake).Seconds()
			}
			if quiet := silence(found.Handshake, one.joined); quiet != "" {
				status.Trouble = fmt.Sprintf("udp %s: %s; is the port open for UDP on both sides?", found.Endpoint, quiet)
			}
		}
		result.Peers = append(result.Peers, status)
	}
	sort.Slice(result.Peers, func(a, b int) bool { return result.Peers[a].Zone < result.Peers[b].Zone })
	return result, nil
}

func silence(handshake, joined time.Time) string {
	switch {
	case handshake.IsZero() && time.Since(joined) > firstHandshake:
		return fmt.Sprintf("no handshake in the %.0f s since both know one another", time.Since(joined).Seconds())
	case !handshake.IsZero() && time.Since(handshake) > handshakeLimit:
		return fmt.Sprintf("no handshake for %.0f s", time.Since(handshake).Seconds())
	}
	return ""
}

func days(until time.Time) float64 { return time.Until(until).Hours() / 24 }

// WriteMetrics writes the status in the text format of Prometheus.
func (s *Status) WriteMetrics(writer io.Writer) {
	gauge := func(name, help string, value func(PeerStatus) float64) {
		fmt.Fprintf(writer, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name)
		for _, peer := range s.Peers {
			fmt.Fprintf(writer, "%s{peer=%q} %g\n", name, peer.Zone, value(peer))
		}
	}
	fmt.Fprintf(writer, "# HELP wiab_mesh_certificate_days Days that the site's own certificate has left.\n# TYPE wiab_mesh_certificate_days gauge\nwiab_mesh_certificate_days %g\n", s.DaysLeft)
	gauge("wiab_mesh_peer_joined", "1 where the peer is in the tunnel.", func(peer PeerStatus) float64 {
		if peer.State == "joined" {
			return 1
		}
		return 0
	})
	gauge("wiab_mesh_peer_handshake_age_seconds", "Seconds since the last handshake, -1 before the first.", func(peer PeerStatus) float64 { return peer.HandshakeAge })
	gauge("wiab_mesh_peer_received_bytes", "Bytes received from the peer.", func(peer PeerStatus) float64 { return float64(peer.Received) })
	gauge("wiab_mesh_peer_sent_bytes", "Bytes sent to the peer.", func(peer PeerStatus) float64 { return float64(peer.Sent) })
	gauge("wiab_mesh_peer_certificate_days", "Days that the peer's certificate has left.", func(peer PeerStatus) float64 { return peer.DaysLeft })
}

// RotatePreshared has every pair that this site leads take a new pre-shared key.
func (n *Node) RotatePreshared() {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	for _, one := range n.peers {
		one.presharedAt = time.Time{}
		wake(one)
	}
}

// RotatePrivate gives this site another private key, and tells its peers. Sessions end with the former key: what is sent
// until the peers know the new one is lost.
func (n *Node) RotatePrivate() error {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	key, err := identity.NewWireGuardKey(n.settings.KeyFile)
	if err != nil {
		return err
	}
	if err := n.tunnel.SetPrivateKey(wgtypes.Key(key)); err != nil {
		return err
	}
	for _, one := range n.peers {
		wake(one)
	}
	return nil
}
