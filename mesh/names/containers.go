package names

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"wiab-staging/mesh/settings"
)

// patience is how long a source may take to answer.
const patience = 10 * time.Second

// Containers asks Docker which containers have joined the network, and what the network's addresses are. What a container offers are
// the ports that its image exposes.
func Containers(ctx context.Context, s *settings.Containers) (claims []Claim, networks []netip.Prefix, err error) {
	client := &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", s.Socket)
		},
	}}
	filters, err := json.Marshal(map[string][]string{"network": {s.Network}})
	if err != nil {
		return nil, nil, err
	}
	var found []struct {
		ID      string `json:"Id"`
		Names   []string
		Created int64
		Ports   []struct {
			PrivatePort uint16
			Type        string
		}
		NetworkSettings struct {
			Networks map[string]struct {
				IPAddress   string
				IPPrefixLen int
			}
		}
	}
	if err := get(ctx, client, "http://docker/containers/json?filters="+url.QueryEscape(string(filters)), "", &found); err != nil {
		return nil, nil, fmt.Errorf("containers: %w", err)
	}
	for _, one := range found {
		place := one.NetworkSettings.Networks[s.Network]
		address := place.IPAddress
		if len(one.Names) == 0 || address == "" {
			continue
		}
		if at, err := netip.ParseAddr(address); err == nil && place.IPPrefixLen > 0 {
			if network, err := at.Prefix(place.IPPrefixLen); err == nil && !slices.Contains(networks, network) {
				networks = append(networks, network)
			}
		}
		claim := Claim{Source: "container", ID: one.ID, Name: strings.TrimPrefix(one.Names[0], "/"), Created: time.Unix(one.Created, 0)}
		seen := map[string]bool{}
		for _, port := range one.Ports {
			key := fmt.Sprint(port.Type, port.PrivatePort)
			// A published port is listed once for each address of the host.
			if seen[key] || port.Type != "tcp" && port.Type != "udp" {
				continue
			}
			seen[key] = true
			target := net.JoinHostPort(address, strconv.Itoa(int(port.PrivatePort)))
			claim.Offers = append(claim.Offers, Offer{port.Type, port.PrivatePort, []string{target}})
		}
		if len(claim.Offers) == 0 {
			claim.Refused = "has no port: its image exposes none"
		}
		claims = append(claims, claim)
	}
	return claims, networks, nil
}

func get(ctx context.Context, client *http.Client, address, token string, answer any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", address, response.Status)
	}
	return json.NewDecoder(response.Body).Decode(answer)
}
