package names

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// Label is what a service of Kubernetes asks for a name with: its value is the name, or empty for the service's own.
const Label = "mesh.wiab-staging/name"

// Cluster says how services of Kubernetes are found; the stack writes it into a file once there is a cluster.
type Cluster struct {
	// Servers are the API's addresses, host:port, in the order in which they are asked.
	Servers []string `json:"servers"`
	// Authority of the API's certificate, in PEM.
	Authority string `json:"authority"`
	// Token of an account that may list services.
	Token string `json:"token"`
	// Nodes are the addresses on which node ports are served.
	Nodes []string `json:"nodes"`
}

// ReadCluster reads the file; nothing where there is none.
func ReadCluster(path string) (*Cluster, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(text) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	result := &Cluster{}
	if err := json.Unmarshal(text, result); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return result, nil
}

// Services asks Kubernetes which services want a name. The gateway is outside the cluster: it reaches them by their node ports.
func (c *Cluster) Services(ctx context.Context) ([]Claim, error) {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(c.Authority))
	client := &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool},
	}}
	var found services
	var failed error
	for _, server := range c.Servers {
		err := get(ctx, client, "https://"+server+"/api/v1/services?labelSelector="+url.QueryEscape(Label), c.Token, &found)
		if err == nil {
			return c.claims(&found), nil
		}
		failed = errors.Join(failed, err)
	}
	return nil, fmt.Errorf("kubernetes: %w", failed)
}

// services is what the API lists.
type services struct {
	Items []struct {
		Metadata struct {
			Name, Namespace, UID string
			Labels               map[string]string
			CreationTimestamp    time.Time
		}
		Spec struct {
			Ports []struct {
				Protocol string
				Port     uint16
				NodePort uint16
			}
		}
	}
}

func (c *Cluster) claims(found *services) []Claim {
	var result []Claim
	for _, one := range found.Items {
		claim := Claim{Source: "kubernetes", ID: one.Metadata.UID, Name: one.Metadata.Labels[Label], Created: one.Metadata.CreationTimestamp}
		if claim.Name == "" {
			claim.Name = one.Metadata.Name
		}
		for _, port := range one.Spec.Ports {
			protocol := strings.ToLower(port.Protocol)
			if port.NodePort == 0 || protocol != "tcp" && protocol != "udp" {
				continue
			}
			var targets []string
			for _, node := range c.Nodes {
				targets = append(targets, net.JoinHostPort(node, strconv.Itoa(int(port.NodePort))))
			}
			claim.Offers = append(claim.Offers, Offer{protocol, port.Port, targets})
		}
		if len(claim.Offers) == 0 {
			claim.Refused = fmt.Sprintf("of namespace %s has no node port, by which the gateway could reach it", one.Metadata.Namespace)
		}
		result = append(result, claim)
	}
	return result
}
