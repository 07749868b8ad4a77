// Package names finds what has joined a site by itself, and settles who has which label below the site's zone.
package names

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"wiab-staging/mesh/settings"
)

// Claim is who wants a label.
type Claim struct {
	// Source is what it comes from, ID what the source knows it by.
	Source, ID string
	// Name is mapped to a label.
	Name    string
	Created time.Time
	Offers  []Offer
	// Refused is why it cannot have one, whatever the others want; empty where it can.
	Refused string
}

// Offer is a port of a claim's, and where it is served.
type Offer struct {
	Protocol string
	Port     uint16
	Targets  []string
}

// Settled is what became of a claim: its label, or why it has none.
type Settled struct {
	Claim
	Label string
}

// longest is what DNS takes in a label (RFC 1035).
const longest = 63

var other = regexp.MustCompile(`[^A-Za-z0-9]+`)

// LabelOf gives the label of a name, in lower case, in which zones are written: each run of characters that are neither Latin letters
// nor digits becomes one hyphen, and hyphens at both ends go. Nothing is normalised first. Empty where no letter or digit is left.
func LabelOf(name string) string {
	return strings.ToLower(strings.Trim(other.ReplaceAllString(name, "-"), "-"))
}

// Settle says who has which label, all worked out anew each time, so that the label of one that has gone belongs to the next again.
// `held` are labels of the settings, with whose they are: nobody takes one of those. Of claims for the same label the earliest keeps
// it; a later one is refused, or gets a suffix that follows from what it is and stays whatever else comes and goes.
func Settle(held map[string]string, claims []Claim, suffix bool) []Settled {
	holders := map[string]string{"ns": "the site itself", "wg": "the site itself"}
	for label, holder := range held {
		holders[label] = holder
	}
	claims = slices.Clone(claims)
	slices.SortFunc(claims, func(a, b Claim) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.Source+"/"+a.ID, b.Source+"/"+b.ID))
	})
	result := make([]Settled, len(claims))
	// What comes by its label is served before what has to take another: a suffix never pushes anybody out.
	for index, claim := range claims {
		result[index].Claim = claim
		label := LabelOf(claim.Name)
		if result[index].Refused = cmp.Or(claim.Refused, problem(label)); result[index].Refused != "" {
			continue
		}
		if _, taken := holders[label]; !taken {
			holders[label] = fmt.Sprintf("%s %q", claim.Source, claim.Name)
			result[index].Label = label
		}
	}
	for index := range result {
		one := &result[index]
		if one.Label != "" || one.Refused != "" {
			continue
		}
		label := LabelOf(one.Name)
		longer := withSuffix(label, one.Claim)
		if _, taken := holders[longer]; !suffix || taken {
			one.Refused = fmt.Sprintf("becomes %s, which %s has already", label, holders[label])
			continue
		}
		holders[longer], one.Label = one.Source, longer
	}
	return result
}

func problem(label string) string {
	switch {
	case label == "":
		return "has no Latin letter and no digit that a label could be made of"
	case len(label) > longest:
		return fmt.Sprintf("becomes a label of %d characters, DNS takes %d", len(label), longest)
	}
	return ""
}

func withSuffix(label string, claim Claim) string {
	sum := sha256.Sum256([]byte(claim.Source + "/" + claim.ID))
	return strings.TrimSuffix(label[:min(len(label), longest-7)], "-") + "-" + hex.EncodeToString(sum[:3])
}

// AddressOf gives the address of a label in a site's prefix: it follows from the label, away from the low numbers, which are the
// site's own.
func AddressOf(prefix netip.Prefix, label string) netip.Addr {
	bytes, sum := prefix.Addr().As16(), sha256.Sum256([]byte(label))
	copy(bytes[8:], sum[:8])
	bytes[8] |= 0x80
	return netip.AddrFrom16(bytes)
}

// Zone gives the site's own zone as text. Its serial number follows from what is in it: a name server reads it again when that is
// another.
func Zone(s *settings.Settings) string {
	addresses := map[string]netip.Addr{"ns": s.Site.NameServer(), "wg": s.Site.Gateway()}
	for _, service := range s.Services {
		addresses[service.Label] = service.Address
	}
	records := []string{"@ IN NS ns"}
	for label, address := range addresses {
		records = append(records, fmt.Sprintf("%s IN AAAA %s", label, address))
	}
	slices.Sort(records)
	text := strings.Join(records, "\n")
	sum := sha256.Sum256([]byte(text))
	serial := uint32(sum[0])<<23 | uint32(sum[1])<<15 | uint32(sum[2])<<7 | uint32(sum[3])>>1
	return fmt.Sprintf("$ORIGIN %s.\n$TTL 60\n@ IN SOA ns hostmaster %d 3600 600 86400 5\n%s\n", s.Site.Zone, serial, text)
}
