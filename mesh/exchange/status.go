package exchange

import (
	"fmt"
	"io"
	"net/netip"
	"sort"
	"strings"
	"time"

	"wiab-staging/mesh/settings"
	"wiab-staging/mesh/tunnel"
)

// Status is what a gateway says of itself.
type Status struct {
	Zone string `json:"zone"`
	// PublicKeys of the links.
	PublicKeys []string `json:"publicKeys"`
	// DaysLeft is what the site's own certificate has.
	DaysLeft float64      `json:"daysLeft"`
	Peers    []PeerStatus `json:"peers"`
	// Drift is what on the gateway is another than the settings say.
	Drift []string `json:"drift"`
	// Names are those that were found besides the settings', and those that were refused; Trouble what could not be asked.
	Names   []settings.Name `json:"names"`
	Trouble []string        `json:"trouble,omitempty"`
	// Remote are the names of other sites that this one may use, and the addresses by which its machines reach them.
	Remote []settings.Remote `json:"remote"`
}

// PeerStatus is what it says of a peer.
type PeerStatus struct {
	Zone string `json:"zone"`
	// State is joined, waiting or cut.
	State string `json:"state"`
	// Trouble is what is wrong, and what to look at; empty where nothing is.
	Trouble  string `json:"trouble,omitempty"`
	Endpoint string `json:"endpoint,omitempty"`
	// Link is the interface by which this site sends to it.
	Link string `json:"link,omitempty"`
	// Standby says that the other link is ready to take over.
	Standby bool `json:"standby"`
	// Serial is the serial number of its certificate in hexadecimal digits, as a revocation list takes it.
	Serial string `json:"serial,omitempty"`
	// HandshakeAge in seconds, of the link that is used; -1 where there was none.
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
	result := &Status{Zone: n.settings.Site.Zone, DaysLeft: days(n.identity.Leaf().NotAfter), Peers: []PeerStatus{}, Drift: []string{}}
	var all [settings.LinkCount]map[netip.Prefix]tunnel.Peer
	for link := range settings.LinkCount {
		own, err := n.tunnel.Own(link)
		if err != nil {
			return nil, err
		}
		result.PublicKeys = append(result.PublicKeys, own.String())
		if all[link], err = n.tunnel.All(link); err != nil {
			return nil, err
		}
	}
	for _, one := range n.peers {
		result.Peers = append(result.Peers, n.peerStatus(one, all))
	}
	sort.Slice(result.Peers, func(a, b int) bool { return result.Peers[a].Zone < result.Peers[b].Zone })
	return result, nil
}

func (n *Node) peerStatus(one *peer, all [settings.LinkCount]map[netip.Prefix]tunnel.Peer) PeerStatus {
	status := PeerStatus{Zone: one.site.Zone, State: "waiting", Trouble: one.trouble, HandshakeAge: -1, Preshared: digest(one.preshared)}
	if one.certificate != nil {
		status.DaysLeft, status.Serial = days(one.certificate.NotAfter), one.certificate.SerialNumber.Text(16)
	}
	if one.cut != "" {
		status.State, status.Trouble = "cut", strings.TrimSuffix(one.cut+"; "+one.trouble, "; ")
		return status
	}
	var silent []string
	for link, peers := range all {
		found, there := peers[one.site.Prefix]
		if !there {
			continue
		}
		status.State = "joined"
		status.Received += found.Received
		status.Sent += found.Sent
		if link == one.using {
			status.Link, status.Endpoint = n.settings.Links()[link].Name, found.Endpoint
			if !found.Handshake.IsZero() {
				status.HandshakeAge = time.Since(found.Handshake).Seconds()
			}
		} else {
			status.Standby = n.fresh(link, found)
		}
		if quiet := silence(found.Handshake, later(one.joined, n.renewed[link])); quiet != "" {
			silent = append(silent, fmt.Sprintf("udp %s: %s", found.Endpoint, quiet))
		}
	}
	if len(silent) > 0 {
		status.Trouble = strings.Join(silent, "; ") + "; is the port open for UDP on both sides?"
	}
	return status
}

func later(one, other time.Time) time.Time {
	if one.After(other) {
		return one
	}
	return other
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
	gauge("wiab_mesh_peer_standby", "1 where the link that is not used is ready to take over.", func(peer PeerStatus) float64 {
		if peer.Standby {
			return 1
		}
		return 0
	})
	gauge("wiab_mesh_peer_handshake_age_seconds", "Seconds since the last handshake, -1 before the first.", func(peer PeerStatus) float64 { return peer.HandshakeAge })
	gauge("wiab_mesh_peer_received_bytes", "Bytes received from the peer.", func(peer PeerStatus) float64 { return float64(peer.Received) })
	gauge("wiab_mesh_peer_sent_bytes", "Bytes sent to the peer.", func(peer PeerStatus) float64 { return float64(peer.Sent) })
	gauge("wiab_mesh_peer_certificate_days", "Days that the peer's certificate has left.", func(peer PeerStatus) float64 { return peer.DaysLeft })
}
