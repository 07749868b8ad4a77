// Package settings reads what a gateway is told: one JSON file that the stack writes.
package settings

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"
)

// Settings of a gateway. Files are named by absolute paths.
type Settings struct {
	// Interface is the name of the WireGuard interface.
	Interface string `json:"interface"`
	// Site is this site as its certificate has to name it.
	Site Site `json:"site"`
	// Port is the UDP port of WireGuard and the TCP port of the exchange.
	Port int `json:"port"`
	MTU  int `json:"mtu"`
	// KeyFile has the private key of WireGuard in base64. It is made on the gateway and never leaves it.
	KeyFile string `json:"keyFile"`
	// CertificateFile has this site's certificate, those that link it to the authority behind it, in PEM.
	CertificateFile string `json:"certificateFile"`
	// IdentityKeyFile has the private key of the certificate, PKCS#8 in PEM.
	IdentityKeyFile string `json:"identityKeyFile"`
	// AuthorityFile has the certificates of the authorities that sites are believed by, in PEM.
	AuthorityFile string `json:"authorityFile"`
	// RevocationsFile has the authority's revocation list, PEM or DER; a file that is not there is an empty list.
	RevocationsFile string `json:"revocationsFile"`
	// StateDirectory keeps what outlives the process: the peers' certificates and newer revocation lists.
	StateDirectory string `json:"stateDirectory"`
	// Socket is the Unix socket on which the gateway answers for itself.
	Socket string `json:"socket"`
	// PollSeconds is how often each peer is asked. Default: 5.
	PollSeconds int `json:"pollSeconds"`
	// PresharedHours is how long a pre-shared key is used. Default: 24.
	PresharedHours int       `json:"presharedHours"`
	Peers          []Site    `json:"peers"`
	Services       []Service `json:"services"`
}

// Site is one site of the mesh.
type Site struct {
	// Zone is the DNS zone that the site answers for, and its name in certificates.
	Zone   string       `json:"zone"`
	Prefix netip.Prefix `json:"prefix"`
	// Endpoint is host:port, where both the exchange and WireGuard are reached.
	Endpoint string `json:"endpoint"`
}

// Service is a name and port that this site offers to others.
type Service struct {
	Label string `json:"label"`
	// Address of the name in the overlay.
	Address netip.Addr `json:"address"`
	// Protocol is tcp or udp.
	Protocol string `json:"protocol"`
	Port     uint16 `json:"port"`
	// Target is host:port in the site's own network.
	Target string `json:"target"`
	// Peers are the zones that may use it.
	Peers []string `json:"peers"`
}

// NameServer is the address on which a site answers for its zone.
func (s Site) NameServer() netip.Addr { return s.at(0xfe) }

// Gateway is the address of the gateway itself.
func (s Site) Gateway() netip.Addr { return s.at(0xff) }

func (s Site) at(number byte) netip.Addr {
	bytes := s.Prefix.Addr().As16()
	bytes[15] = number
	return netip.AddrFrom16(bytes)
}

// Poll is how often each peer is asked.
func (s *Settings) Poll() time.Duration { return time.Duration(s.PollSeconds) * time.Second }

// PresharedLife is how long a pre-shared key is used.
func (s *Settings) PresharedLife() time.Duration { return time.Duration(s.PresharedHours) * time.Hour }

// Peer gives the configured site of a zone.
func (s *Settings) Peer(zone string) (Site, bool) {
	for _, peer := range s.Peers {
		if peer.Zone == zone {
			return peer, true
		}
	}
	return Site{}, false
}

// Read reads and checks the file.
func Read(path string) (*Settings, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	result := Settings{PollSeconds: 5, PresharedHours: 24}
	if err := json.Unmarshal(text, &result); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := result.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &result, nil
}

func (s *Settings) check() error {
	if s.Port < 1 || s.Port > 65535 || s.PollSeconds < 1 || s.PresharedHours < 1 {
		return fmt.Errorf("port, pollSeconds and presharedHours must be positive numbers")
	}
	for _, site := range append([]Site{s.Site}, s.Peers...) {
		if site.Zone == "" || !site.Prefix.Addr().Is6() || site.Prefix.Bits() != 64 || site.Prefix != site.Prefix.Masked() {
			return fmt.Errorf("site %q: wanted are a zone and an IPv6 network of 64 bits, found %s", site.Zone, site.Prefix)
		}
		if _, _, err := net.SplitHostPort(site.Endpoint); err != nil {
			return fmt.Errorf("site %q: endpoint: %w", site.Zone, err)
		}
	}
	for index, site := range s.Peers {
		for _, other := range append([]Site{s.Site}, s.Peers[:index]...) {
			if site.Zone == other.Zone || site.Prefix.Overlaps(other.Prefix) {
				return fmt.Errorf("sites %q and %q have the same zone or prefix", site.Zone, other.Zone)
			}
		}
	}
	for _, service := range s.Services {
		if service.Protocol != "tcp" && service.Protocol != "udp" {
			return fmt.Errorf("service %q: protocol %q is neither tcp nor udp", service.Label, service.Protocol)
		}
		if !s.Site.Prefix.Contains(service.Address) {
			return fmt.Errorf("service %q: %s is not in %s", service.Label, service.Address, s.Site.Prefix)
		}
	}
	return nil
}
