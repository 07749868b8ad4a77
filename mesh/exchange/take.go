package exchange

import (
	"crypto/x509"
	"fmt"
	"log"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"

	"wiab-staging/mesh/identity"
	"wiab-staging/mesh/settings"
)

// take puts what a peer has offered into the tunnel. A preshared that is nil leaves the key as it is, and a place that is nil the
// endpoints.
func (n *Node) take(one *peer, certificate *x509.Certificate, theirs *Offer, place *net.UDPAddr, preshared *wgtypes.Key) error {
	if len(theirs.PublicKeys) != settings.LinkCount {
		return fmt.Errorf("%s offers %d public keys, wanted are %d", one.site.Zone, len(theirs.PublicKeys), settings.LinkCount)
	}
	for link, text := range theirs.PublicKeys {
		key, err := wgtypes.ParseKey(text)
		if err != nil {
			return fmt.Errorf("%s offers no public key: %w", one.site.Zone, err)
		}
		if err := n.takeKey(one, link, key, place, preshared); err != nil {
			return err
		}
	}
	if preshared != nil && *preshared != one.preshared {
		one.preshared, one.presharedAt = *preshared, time.Now()
	}
	if place != nil {
		one.endpoint = place.String()
	}
	if one.joined.IsZero() {
		one.joined = time.Now()
		log.Printf("%s: joined", one.site.Zone)
	}
	one.unchanged++
	if theirs.Using != one.sending {
		one.unchanged = 0
	}
	one.cut, one.sending, one.leaves = "", theirs.Using, theirs.Leave
	n.hearServices(one, theirs.Services)
	if theirs.Endpoint != one.announced {
		one.announced = theirs.Endpoint
		wake(one)
	}
	if err := n.choose(one); err != nil {
		return err
	}
	if one.certificate == nil || !one.certificate.Equal(certificate) {
		one.certificate = certificate
		return n.remember(one.site, certificate)
	}
	return nil
}

func (n *Node) takeKey(one *peer, link int, key wgtypes.Key, place *net.UDPAddr, preshared *wgtypes.Key) error {
	all, err := n.tunnel.All(link)
	if err != nil {
		return err
	}
	// Looked up each time: the device may have been made anew.
	found, there := all[one.site.Prefix]
	changed := !there || found.PublicKey != key
	if changed && preshared == nil && one.preshared != (wgtypes.Key{}) {
		// To the tunnel another key is another peer, which starts without one.
		preshared = &one.preshared
	}
	if at, err := netip.ParseAddrPort(one.endpoint); changed && place == nil && err == nil {
		place = net.UDPAddrFromAddrPort(at)
	}
	if !changed && place == nil && preshared == nil {
		return nil
	}
	if !there && link == one.using {
		one.using = none
	}
	return n.tunnel.Set(link, one.site.Prefix, key, portOf(place, link), preshared)
}

// portOf gives the place of a link: the second has the port after the first's.
func portOf(place *net.UDPAddr, link int) *net.UDPAddr {
	if place == nil {
		return nil
	}
	return &net.UDPAddr{IP: place.IP, Port: place.Port + link, Zone: place.Zone}
}

func (n *Node) certificateFile(site settings.Site) string {
	return filepath.Join(n.settings.StateDirectory, site.Zone+".der")
}

func (n *Node) remember(site settings.Site, certificate *x509.Certificate) error {
	return identity.WriteFile(n.certificateFile(site), certificate.Raw, 0o644)
}

func (n *Node) remembered(site settings.Site) (*x509.Certificate, error) {
	der, err := os.ReadFile(n.certificateFile(site))
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return certificate, n.identity.Verify(certificate)
}
