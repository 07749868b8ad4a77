package exchange

import (
	"context"
	"fmt"
	"log"
	"strings"
	"time"

	"wiab-staging/mesh/identity"
	"wiab-staging/mesh/settings"
	"wiab-staging/mesh/tunnel"
)

// rejectAfter is how old a session may be (REJECT_AFTER_TIME of WireGuard's paper); with keepalives one is renewed after 120 s.
const rejectAfter = 180 * time.Second

// rotationLimit is what the peers of a link may take until they send by the other: a handshake and a few exchanges.
const rotationLimit = 90 * time.Second

// RotatePreshared has every pair that this site leads take a new pre-shared key.
func (n *Node) RotatePreshared() {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	for _, one := range n.peers {
		one.presharedAt = time.Time{}
		wake(one)
	}
}

// RotatePrivate renews the private keys of both links, one after the other: a new key ends a link's sessions, so that everybody
// sends by the other link before. Peers without another link, such as where its port is closed, are not waited for; the result
// says which those were.
func (n *Node) RotatePrivate(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, settings.LinkCount*rotationLimit)
	defer cancel()
	defer n.leaveLink(none)
	said := ""
	// The second goes first: usually nobody is on it.
	for link := settings.LinkCount - 1; link >= 0; link-- {
		alone, err := n.renewLink(ctx, link)
		if err != nil {
			return "", err
		}
		if len(alone) > 0 {
			said += fmt.Sprintf("%s: renewed in place for %s, whose other link is not ready: some packets are lost\n", n.Settings().Links()[link].Name, strings.Join(alone, ", "))
		}
	}
	return said, nil
}

func (n *Node) renewLink(ctx context.Context, link int) (alone []string, err error) {
	n.leaveLink(link)
	for deadline := time.Now().Add(rotationLimit); ; {
		staying, without := n.remaining(link)
		if len(staying) == 0 {
			alone = without
			break
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("the private key of %s is not renewed: %s still sends by it after %s", n.Settings().Links()[link].Name, strings.Join(staying, ", "), rotationLimit)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
		n.wakeAll()
	}
	n.mutex.Lock()
	defer n.mutex.Unlock()
	key, err := identity.NewWireGuardKey(n.settings.Links()[link].KeyFile)
	if err != nil {
		return nil, err
	}
	if err := n.tunnel.SetPrivateKey(link, key); err != nil {
		return nil, err
	}
	n.renewed[link] = time.Now()
	log.Printf("%s has a new private key", n.settings.Links()[link].Name)
	return alone, nil
}

func (n *Node) leaveLink(link int) {
	n.mutex.Lock()
	n.leave = link
	n.mutex.Unlock()
	n.wakeAll()
}

func (n *Node) wakeAll() {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	for _, one := range n.peers {
		wake(one)
	}
}

// settled is how many exchanges it takes, once both send by the other link, until what was sent by this one has come.
const settled = 2

// remaining says which peers still use a link, and which have no other to go to. A peer that has not joined, or was silent for as
// long as a session lasts, is not waited for.
func (n *Node) remaining(link int) (staying, without []string) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	for zone, one := range n.peers {
		if one.joined.IsZero() || one.using == none || !n.alive(link, one) && !n.alive(1-link, one) {
			continue
		}
		elsewhere := one.using == 1-link && one.sending == 1-link && one.unchanged >= settled
		switch {
		case elsewhere:
		case !n.alive(1-link, one) && time.Since(later(one.joined, n.renewed[1-link])) > rotationLimit/2:
			without = append(without, zone)
		default:
			staying = append(staying, zone)
		}
	}
	return staying, without
}

// leaving gives the link that this site asks its peers not to use. Of two sites that renew their keys at once, the one of the later
// name waits, or each would ask for the link that the other leaves.
func (n *Node) leaving() int {
	for zone, one := range n.peers {
		if one.leaves != none && zone < n.settings.Site.Zone {
			return none
		}
	}
	return n.leave
}

// choose has a peer's prefix sent by a link that neither side leaves and that has a session; the one that is used stays if it can.
// Each side receives by both.
func (n *Node) choose(one *peer) error {
	best := one.using
	if best == none {
		best = 0
		if !n.alive(0, one) && n.alive(1, one) {
			best = 1
		}
	}
	left := n.leaving() == best || one.leaves == best
	if (left || !n.alive(best, one)) && n.alive(1-best, one) && one.leaves != 1-best {
		best = 1 - best
	}
	if best == one.using {
		return nil
	}
	one.using, one.unchanged = best, 0
	return n.tunnel.Route(best, one.site.Prefix)
}

func (n *Node) alive(link int, one *peer) bool {
	all, err := n.tunnel.All(link)
	if err != nil {
		return false
	}
	found, there := all[one.site.Prefix]
	return there && n.fresh(link, found)
}

// fresh says whether a link has a session with a peer that was made with this site's key of today.
func (n *Node) fresh(link int, found tunnel.Peer) bool {
	return found.Handshake.After(n.renewed[link]) && time.Since(found.Handshake) < rejectAfter
}
