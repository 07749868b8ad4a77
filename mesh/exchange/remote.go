package exchange

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/netip"
	"slices"
	"strings"

	"wiab-staging/mesh/identity"
	"wiab-staging/mesh/names"
	"wiab-staging/mesh/settings"
)

// Service is a port of a name that the receiver of an offer may use.
type Service struct {
	Label    string     `json:"label"`
	Address  netip.Addr `json:"address"`
	Protocol string     `json:"protocol"`
	Port     uint16     `json:"port"`
}

// mostServices is how many of a site's are taken: each has a listener on the gateway.
const mostServices = 1000

// servicesFor gives what a site may use.
func (n *Node) servicesFor(zone string) []Service {
	result := []Service{}
	for _, one := range n.settings.Services {
		if slices.Contains(one.Peers, zone) {
			result = append(result, Service{one.Label, one.Address, one.Protocol, one.Port})
		}
	}
	return tidy(result)
}

func tidy(services []Service) []Service {
	slices.SortFunc(services, func(a, b Service) int {
		return cmp.Or(cmp.Compare(a.Label, b.Label), cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Port, b.Port), a.Address.Compare(b.Address))
	})
	return slices.CompactFunc(services, func(a, b Service) bool {
		return a.Label == b.Label && a.Protocol == b.Protocol && a.Port == b.Port
	})
}

// usable leaves out what is no name and port of the site that offers it, and what is too much.
func usable(site settings.Site, services []Service) []Service {
	fit := func(one Service) bool {
		return one.Label != "" && len(one.Label) < 64 && names.LabelOf(one.Label) == one.Label && site.Prefix.Contains(one.Address) &&
			(one.Protocol == "tcp" || one.Protocol == "udp") && one.Port > 0
	}
	result := tidy(slices.DeleteFunc(slices.Clone(services), func(one Service) bool { return !fit(one) }))
	if len(result) < len(services) || len(result) > mostServices {
		log.Printf("%s: of %d services %d are taken", site.Zone, len(services), min(len(result), mostServices))
	}
	return result[:min(len(result), mostServices)]
}

// hearServices takes what a peer lets this site use.
func (n *Node) hearServices(one *peer, offered []Service) {
	if slices.Equal(offered, one.said) {
		return
	}
	one.said = offered
	one.services = usable(one.site, offered)
	n.tellMachines()
}

// recall gives what a peer has said before the restart.
func recall(site settings.Site, remote []settings.Remote) (result []Service) {
	for _, one := range remote {
		if one.Zone == site.Zone {
			result = append(result, Service{one.Label, one.Address, one.Protocol, one.Port})
		}
	}
	return usable(site, result)
}

// tellMachines has the site's machines reach what peers let this site use: the relay and the name server read it out of files. A
// file that cannot be written is said, and ends no exchange.
func (n *Node) tellMachines() {
	former, err := settings.ReadRemote(n.settings)
	if err != nil {
		log.Print(err)
	}
	offered := map[string][]Service{}
	for zone, one := range n.peers {
		if one.cut == "" {
			offered[zone] = one.services
		}
	}
	remote := assign(n.settings.IPv4Network, former, offered)
	text, err := json.Marshal(remote)
	if err := errors.Join(err, identity.Replace(n.settings.RemoteFile(), text), identity.Replace(n.settings.HostsFile(), []byte(hosts(remote)))); err != nil {
		log.Printf("what other sites offer: %v", err)
	}
}

// assign gives each name an IPv4 address of the network. A name keeps the one that it has; another gets the one that follows from the
// name, or the next that is free, so that a gateway that has lost its disk mostly gives the same again.
func assign(network netip.Prefix, former []settings.Remote, offered map[string][]Service) []settings.Remote {
	result := []settings.Remote{}
	if !network.IsValid() {
		return result
	}
	for zone, services := range offered {
		for _, one := range services {
			result = append(result, settings.Remote{Zone: zone, Label: one.Label, Address: one.Address, Protocol: one.Protocol, Port: one.Port})
		}
	}
	slices.SortFunc(result, func(a, b settings.Remote) int {
		return cmp.Or(cmp.Compare(a.Zone, b.Zone), cmp.Compare(a.Label, b.Label), cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Port, b.Port))
	})
	wanted, addresses, taken := map[string]bool{}, map[string]netip.Addr{}, map[netip.Addr]bool{}
	for _, one := range result {
		wanted[nameOf(one)] = true
	}
	for _, one := range former {
		if name := nameOf(one); wanted[name] && network.Contains(one.IPv4) && !taken[one.IPv4] && !addresses[name].IsValid() {
			addresses[name], taken[one.IPv4] = one.IPv4, true
		}
	}
	// Without the network's own address and the last one.
	size := uint32(1)<<(32-network.Bits()) - 2
	for index := range result {
		name := nameOf(result[index])
		if !addresses[name].IsValid() && len(taken) < int(size) {
			sum := sha256.Sum256([]byte(name))
			number := binary.BigEndian.Uint32(sum[:4]) % size
			for taken[addressIn(network, number+1)] {
				number = (number + 1) % size
			}
			addresses[name] = addressIn(network, number+1)
			taken[addresses[name]] = true
		}
		result[index].IPv4 = addresses[name]
	}
	return slices.DeleteFunc(result, func(one settings.Remote) bool {
		if !one.IPv4.IsValid() {
			log.Printf("%s has no address: all of %s are taken", nameOf(one), network)
		}
		return !one.IPv4.IsValid()
	})
}

func nameOf(one settings.Remote) string { return one.Label + "." + one.Zone }

func addressIn(network netip.Prefix, number uint32) netip.Addr {
	bytes := network.Addr().As4()
	binary.BigEndian.PutUint32(bytes[:], binary.BigEndian.Uint32(bytes[:])+number)
	return netip.AddrFrom4(bytes)
}

// hosts gives the names in the form of /etc/hosts, with both addresses: the gateway itself is in the overlay.
func hosts(remote []settings.Remote) string {
	lines := []string{}
	for _, one := range remote {
		lines = append(lines, fmt.Sprintf("%s %s\n%s %s\n", one.IPv4, nameOf(one), one.Address, nameOf(one)))
	}
	return strings.Join(slices.Compact(lines), "")
}
