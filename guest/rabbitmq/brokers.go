package rabbitmq

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Brokers are the real ones, by their management interface.
type Brokers struct {
	Settings
	Password string
	// Authority has signed the brokers' certificates; nil without TLS.
	Authority *x509.CertPool
	// Ways are tried in turn: while TLS is being switched on or off, a broker may still have it the other way.
	Ways []Way
	// Knock is how long a port is waited for.
	Knock time.Duration
}

// Way to a management interface.
type Way struct {
	Port int
	TLS  bool
}

// NewBrokers reads the authority that every machine of the stack trusts, where there is TLS.
func NewBrokers(specification Specification, authorityFile string) (*Brokers, error) {
	settings := specification.Settings
	brokers := &Brokers{
		Settings: settings,
		Password: specification.Secrets.Password,
		Ways:     []Way{{settings.Management, settings.TLS}},
		Knock:    5 * time.Second,
	}
	text, err := os.ReadFile(authorityFile)
	if err == nil {
		brokers.Authority = x509.NewCertPool()
		brokers.Authority.AppendCertsFromPEM(text)
	} else if settings.TLS {
		return nil, err
	}
	return brokers, nil
}

// EitherWay is the brokers as they can be reached while TLS is being switched on or off.
func (b *Brokers) EitherWay() *Brokers {
	either := *b
	other := Way{managementTLS, true}
	if b.TLS {
		other = Way{managementPlain, false}
	}
	either.Ways = append(slices.Clone(b.Ways), other)
	return &either
}

// encryption is how to speak TLS to a broker, which shows a certificate with its address.
func (b *Brokers) encryption() *tls.Config {
	return &tls.Config{RootCAs: b.Authority, MinVersion: tls.VersionTLS12}
}

// ask gets what a broker says. A failed check of health, 503, is an answer too.
func (b *Brokers) ask(node, path string, answer any) error {
	address := b.address(node)
	var unreachable error
	for _, way := range b.Ways {
		scheme := "http"
		if way.TLS {
			scheme = "https"
		}
		request, err := http.NewRequest(http.MethodGet, fmt.Sprintf("%s://%s/api/%s", scheme, net.JoinHostPort(address, strconv.Itoa(way.Port)), path), nil)
		if err != nil {
			return err
		}
		request.SetBasicAuth(b.User, b.Password)
		// No proxy: brokers are on this network.
		client := http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: b.encryption(), DisableKeepAlives: true}}
		response, err := client.Do(request)
		if err != nil {
			unreachable = errors.Join(unreachable, withoutURL(err))
			continue
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		switch {
		case err != nil:
			return err
		case response.StatusCode == http.StatusUnauthorized:
			return fmt.Errorf("%w: that on %s does not let in %s with its password", ErrRefused, node, b.User)
		case response.StatusCode != http.StatusOK && response.StatusCode != http.StatusServiceUnavailable:
			return fmt.Errorf("the broker on %s answers %s with %d: %.300s", node, path, response.StatusCode, body)
		}
		return json.Unmarshal(body, answer)
	}
	return fmt.Errorf("the broker on %s does not answer at %s:%d: %w", node, address, b.Ways[0].Port, unreachable)
}

func withoutURL(err error) error {
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}

// Members implements [Cluster].
func (b *Brokers) Members(node string) (map[string]bool, error) {
	var entries []struct {
		Name    string
		Running bool
	}
	if err := b.ask(node, "nodes?columns=name,running", &entries); err != nil {
		return nil, err
	}
	members := map[string]bool{}
	for _, entry := range entries {
		members[host(entry.Name)] = entry.Running
	}
	return members, nil
}

// host of a broker's name, which is rabbit@HOST.
func host(name string) string {
	_, host, _ := strings.Cut(name, "@")
	return host
}

// Divided implements [Cluster].
func (b *Brokers) Divided(node string) ([]string, error) {
	var entries []struct {
		Name       string
		Partitions []string
	}
	if err := b.ask(node, "nodes?columns=name,partitions", &entries); err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if len(entry.Partitions) > 0 {
			names = append(names, host(entry.Name))
		}
	}
	return names, nil
}

// Check implements [Cluster].
func (b *Brokers) Check(node, check string) (string, error) {
	var answer struct {
		Status, Reason string
		Alarms         []struct{ Resource, Node string }
		Queues         []struct {
			Name string `json:"readable_name"`
		}
	}
	if err := b.ask(node, "health/checks/"+check, &answer); err != nil || answer.Status == "ok" {
		return "", err
	}
	var details []string
	for _, alarm := range answer.Alarms {
		details = append(details, alarm.Resource+" on "+alarm.Node)
	}
	if len(details) > 0 {
		return strings.Join(details, ", "), nil
	}
	for _, queue := range answer.Queues[:min(5, len(answer.Queues))] {
		details = append(details, queue.Name)
	}
	return strings.TrimSpace(answer.Reason + " " + strings.Join(details, ", ")), nil
}

// Lacking implements [Cluster].
func (b *Brokers) Lacking(node string) (lacking []string, total int, err error) {
	var queues []struct {
		Name, Type string
		Members    []string
	}
	if err := b.ask(b.Self, "queues", &queues); err != nil {
		return nil, 0, err
	}
	for _, queue := range queues {
		if queue.Type != "quorum" {
			continue
		}
		total++
		has := false
		for _, member := range queue.Members {
			has = has || host(member) == node
		}
		if !has {
			lacking = append(lacking, queue.Name)
		}
	}
	return lacking, total, nil
}

// Reach implements [Cluster].
func (b *Brokers) Reach(node string, port int) Reach {
	address := b.address(node)
	connection, err := net.DialTimeout("tcp", net.JoinHostPort(address, strconv.Itoa(port)), b.Knock)
	switch {
	case err == nil:
		connection.Close()
		return Listens
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refuses
	}
	return Silent
}
