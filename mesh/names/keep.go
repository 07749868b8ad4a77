package names

import (
	"context"
	"encoding/json"
	"errors"
	"log"
	"net/netip"
	"path/filepath"
	"time"

	"wiab-staging/mesh/identity"
	"wiab-staging/mesh/settings"
)

// ZoneFile has the site's zone as its name server reads it.
func ZoneFile(s *settings.Settings) string { return filepath.Join(s.StateDirectory, "zone") }

// interval is how often the sources are asked.
const interval = 2 * time.Second

// Keep has zone and offered services follow the settings and what the sources say, until the context ends. A source that does not
// answer has what it has said last.
func Keep(ctx context.Context, file string) error {
	keeper := &keeper{last: map[string][]Claim{}}
	for {
		if err := keeper.once(ctx, file); err != nil {
			log.Print(err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(interval):
		}
	}
}

type keeper struct {
	// last are the claims of each source as it has said last.
	last map[string][]Claim
	// callers are the networks of containers, as Docker has said last.
	callers []netip.Prefix
}

func (k *keeper) once(ctx context.Context, file string) error {
	s, err := settings.Read(file)
	if err != nil {
		return err
	}
	found := settings.Offered{Services: []settings.Service{}, Names: []settings.Name{}}
	if found.Trouble = k.ask(ctx, s); ctx.Err() != nil {
		return nil
	}
	found.Callers = k.callers
	held := map[string]string{}
	for _, service := range s.Services {
		held[service.Label] = "the configuration"
	}
	var claims []Claim
	for _, source := range k.last {
		claims = append(claims, source...)
	}
	for _, one := range Settle(held, claims, s.Suffix) {
		name := settings.Name{Source: one.Source, Name: one.Name, Label: one.Label, Refused: one.Refused, Closed: one.Label != ""}
		for _, offer := range one.Offers {
			if one.Label == "" {
				continue
			}
			peers := s.Allowed(one.Label, offer.Port)
			name.Closed = name.Closed && len(peers) == 0
			found.Services = append(found.Services, settings.Service{
				Label: one.Label, Address: AddressOf(s.Site.Prefix, one.Label),
				Protocol: offer.Protocol, Port: offer.Port, Targets: offer.Targets, Peers: peers,
			})
		}
		found.Names = append(found.Names, name)
	}
	text, err := json.Marshal(found)
	if err != nil {
		return err
	}
	s.Services = append(s.Services, found.Services...)
	return errors.Join(identity.Replace(s.OfferedFile(), text), identity.Replace(ZoneFile(s), []byte(Zone(s))))
}

// ask asks all sources and says what went wrong.
func (k *keeper) ask(ctx context.Context, s *settings.Settings) (trouble []string) {
	take := func(source string, claims []Claim, err error) {
		if err != nil {
			trouble = append(trouble, err.Error())
			return
		}
		k.last[source] = claims
	}
	if s.Containers != nil {
		claims, networks, err := Containers(ctx, s.Containers)
		take("containers", claims, err)
		if err == nil {
			k.callers = networks
		}
	} else {
		delete(k.last, "containers")
		k.callers = nil
	}
	cluster, err := ReadCluster(s.KubernetesFile)
	switch {
	case err != nil:
		trouble = append(trouble, err.Error())
	case cluster == nil:
		delete(k.last, "kubernetes")
	default:
		claims, err := cluster.Services(ctx)
		take("kubernetes", claims, err)
	}
	return trouble
}
