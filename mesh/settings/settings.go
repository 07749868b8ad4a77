// Package settings reads what a gateway is told: one JSON file that the stack writes.
package settings

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Settings of a gateway. Files are named by absolute paths.
type Settings struct {
	// Interface is the name of the first WireGuard interface; see Links.
	Interface string `json:"interface"`
	// Site is this site as its certificate has to name it.
	Site Site `json:"site"`
	// Port is the UDP port of the first WireGuard interface and the TCP port of the exchange; see Links.
	Port int `json:"port"`
	MTU  int `json:"mtu"`
	// KeyFile has the private key of the first interface in base64. It is made on the gateway and never leaves it; see Links.
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
	// Access says who may use what names.Keep finds. Default: nobody.
	Access []Access `json:"access"`
	// Suffix has the later of two names with the same label get a suffix; else it is refused.
	Suffix bool `json:"suffix"`
	// Containers is where names come from by themselves: Docker on the gateway. Default: they do not.
	Containers *Containers `json:"containers"`
	// IPv4Network has the addresses by which the site's own machines, pods and containers, which have no way into the overlay, reach
	// names of other sites. Default: they do not.
	IPv4Network netip.Prefix `json:"ipv4Network"`
	// Callers are the IPv4 networks that may use those addresses, besides the gateway itself.
	Callers []netip.Prefix `json:"callers"`
	// KubernetesFile says how services of the cluster are found that ask for a name (names.Cluster); a file that is not there means
	// none.
	KubernetesFile string `json:"kubernetesFile"`
}

// Containers of Docker that have a name in the mesh.
type Containers struct {
	// Socket of Docker's API.
	Socket string `json:"socket"`
	// Network that a container has joined which wants a name.
	Network string `json:"network"`
}

// Access lets zones use a name that has joined the site by itself.
type Access struct {
	// Label of the name, or Everything for those that have no entry of their own.
	Label string `json:"label"`
	// Ports that may be used. Default: all that it has.
	Ports []uint16 `json:"ports"`
	// Peers are the zones that may use it.
	Peers []string `json:"peers"`
}

// Everything stands in Access for every label without an entry of its own.
const Everything = "*"

// Allowed gives the zones that may use a port of a label.
func (s *Settings) Allowed(label string, port uint16) []string {
	of := func(label string) (entries []Access) {
		for _, one := range s.Access {
			if one.Label == label {
				entries = append(entries, one)
			}
		}
		return entries
	}
	entries := of(label)
	if len(entries) == 0 {
		entries = of(Everything)
	}
	zones := []string{}
	for _, one := range entries {
		if len(one.Ports) == 0 || slices.Contains(one.Ports, port) {
			zones = append(zones, one.Peers...)
		}
	}
	slices.Sort(zones)
	return slices.Compact(zones)
}

// Link is one of the two WireGuard interfaces between each two sites. Traffic takes one; the other is there so that its key can be
// renewed while nothing depends on it.
type Link struct {
	Name    string
	Port    int
	KeyFile string
}

// LinkCount is how many there are.
const LinkCount = 2

// Links gives them: the second has the next port.
func (s *Settings) Links() [LinkCount]Link {
	return [LinkCount]Link{{s.Interface, s.Port, s.KeyFile}, {s.Interface + "2", s.Port + 1, s.KeyFile + "2"}}
}

// OfferedFile has the services that names.Keep has found besides those of the settings.
func (s *Settings) OfferedFile() string { return filepath.Join(s.StateDirectory, "offered.json") }

// RemoteFile has what other sites have said that this one may use of theirs.
func (s *Settings) RemoteFile() string { return filepath.Join(s.StateDirectory, "remote.json") }

// HostsFile has the same names with their addresses, as the name server reads it for the site's own machines.
func (s *Settings) HostsFile() string { return filepath.Join(s.StateDirectory, "remote-hosts") }

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
	// Targets are host:port in the site's own network, in the order in which they are tried.
	Targets []string `json:"targets"`
	// Peers are the zones that may use it.
	Peers []string `json:"peers"`
}

// Remote is a port of another site's name that this site may use.
type Remote struct {
	Zone  string `json:"zone"`
	Label string `json:"label"`
	// Address of the name in the overlay.
	Address netip.Addr `json:"address"`
	// IPv4 is the address in IPv4Network by which the site's own machines reach it.
	IPv4     netip.Addr `json:"ipv4"`
	Protocol string     `json:"protocol"`
	Port     uint16     `json:"port"`
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

// ReadAll reads the file, and adds the services that were found besides.
func ReadAll(path string) (*Settings, error) {
	result, err := Read(path)
	if err != nil {
		return nil, err
	}
	found, err := ReadOffered(result)
	if err != nil {
		return nil, err
	}
	result.Services = append(result.Services, found.Services...)
	result.Callers = append(result.Callers, found.Callers...)
	if err := result.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", result.OfferedFile(), err)
	}
	return result, nil
}

// ReadOffered reads what was found besides the settings' services; a file that is not there yet is nothing.
func ReadOffered(s *Settings) (*Offered, error) {
	result := &Offered{Services: []Service{}, Names: []Name{}}
	return result, readIfThere(s.OfferedFile(), result)
}

// ReadRemote reads what other sites have said that this one may use; a file that is not there yet is nothing.
func ReadRemote(s *Settings) (result []Remote, err error) {
	err = readIfThere(s.RemoteFile(), &result)
	return result, err
}

func readIfThere(path string, result any) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, result); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// Offered is what names.Keep has found.
type Offered struct {
	Services []Service `json:"services"`
	Names    []Name    `json:"names"`
	// Callers are the networks of containers that have a name: they use those of other sites, too.
	Callers []netip.Prefix `json:"callers"`
	// Trouble says which source could not be asked, and why; what it has said last stays.
	Trouble []string `json:"trouble,omitempty"`
}

// Name is what became of one that asked for a label.
type Name struct {
	Source string `json:"source"`
	Name   string `json:"name"`
	Label  string `json:"label,omitempty"`
	// Refused is why it has none.
	Refused string `json:"refused,omitempty"`
	// Closed says that no peer may use any port of it: Access does not let one.
	Closed bool `json:"closed,omitempty"`
}

func (s *Settings) check() error {
	if s.Port < 1 || s.Port > 65534 || s.PollSeconds < 1 || s.PresharedHours < 1 {
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
	if s.IPv4Network.IsValid() && (!s.IPv4Network.Addr().Is4() || s.IPv4Network.Bits() > 30 || s.IPv4Network != s.IPv4Network.Masked()) {
		return fmt.Errorf("ipv4Network: %s is no IPv4 network of at most 30 bits", s.IPv4Network)
	}
	for _, service := range s.Services {
		if service.Protocol != "tcp" && service.Protocol != "udp" {
			return fmt.Errorf("service %q: protocol %q is neither tcp nor udp", service.Label, service.Protocol)
		}
		if len(service.Targets) == 0 {
			return fmt.Errorf("service %q has no target", service.Label)
		}
		if !s.Site.Prefix.Contains(service.Address) {
			return fmt.Errorf("service %q: %s is not in %s", service.Label, service.Address, s.Site.Prefix)
		}
	}
	return nil
}
