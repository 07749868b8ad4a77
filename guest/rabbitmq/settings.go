// Package rabbitmq looks after a broker of the RabbitMQ cluster on the data nodes.
package rabbitmq

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Node is a machine that carries a broker.
type Node struct {
	Name     string `json:"name"`
	Address  string `json:"address"`
	Retiring bool   `json:"retiring"`
}

// Settings are what is no secret of a specification.
type Settings struct {
	Self string `json:"node"`
	// Nodes in the order of the configuration: the first one that stays founds the cluster.
	Nodes []Node `json:"nodes"`
	// Clients are addresses that may reach the broker besides the nodes'.
	Clients []string `json:"clients"`
	// Version of the Debian package, and the series that may be upgraded to it.
	Version      string `json:"version"`
	UpgradesFrom string `json:"upgradesFrom"`
	// User of Wire's services, who may see everything.
	User string `json:"user"`
	TLS  bool   `json:"tls"`
	// AMQP and Management are ports for nodes and clients, ClusterPorts for nodes alone.
	AMQP         int      `json:"amqp"`
	Management   int      `json:"management"`
	ClusterPorts []string `json:"clusterPorts"`
	// Patience is how many seconds others are waited for.
	Patience int `json:"patience"`
	// Texts of files, see [Broker.files]. Certificate is empty without TLS.
	Configuration string `json:"configuration"`
	Environment   string `json:"environment"`
	Inetrc        string `json:"inetrc"`
	Hosts         string `json:"hosts"`
	Unit          string `json:"unit"`
	EpmdUnit      string `json:"epmdUnit"`
	Certificate   string `json:"certificate"`
}

// Secrets of a specification.
type Secrets struct {
	Password string `json:"password"`
	// Cookie is what brokers know one another by.
	Cookie string `json:"cookie"`
	// Definitions are what a cluster shall have, as RabbitMQ imports them.
	Definitions string `json:"definitions"`
	// PrivateKey of the certificate.
	PrivateKey string `json:"privateKey"`
}

// Specification is what a broker shall be.
type Specification struct {
	Settings Settings `json:"settings"`
	Secrets  Secrets  `json:"secrets"`
}

// ReadSpecification takes a specification from JSON. Its errors never quote the text, which has secrets.
func ReadSpecification(text []byte) (Specification, error) {
	var specification Specification
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&specification); err != nil {
		return specification, errors.New("this is no specification of RabbitMQ that this version of wiab knows")
	}
	settings, secrets := specification.Settings, specification.Secrets
	var lacking []string
	for name, there := range map[string]bool{
		"node among nodes": slices.ContainsFunc(settings.Nodes, func(node Node) bool { return node.Name == settings.Self }),
		"version":          settings.Version != "",
		"user":             settings.User != "",
		"ports":            settings.AMQP > 0 && settings.Management > 0 && len(settings.ClusterPorts) > 0,
		"files":            settings.Configuration != "" && settings.Environment != "" && settings.Inetrc != "" && settings.Hosts != "" && settings.Unit != "" && settings.EpmdUnit != "",
		"certificate":      !settings.TLS || settings.Certificate != "" && secrets.PrivateKey != "",
		"secrets":          secrets.Password != "" && secrets.Cookie != "" && secrets.Definitions != "",
	} {
		if !there {
			lacking = append(lacking, name)
		}
	}
	if len(lacking) > 0 {
		slices.Sort(lacking)
		return specification, fmt.Errorf("the specification of RabbitMQ lacks: %s", strings.Join(lacking, ", "))
	}
	return specification, nil
}

func (s Settings) patience() time.Duration { return time.Duration(s.Patience) * time.Second }

func (s Settings) address(node string) string {
	for _, each := range s.Nodes {
		if each.Name == node {
			return each.Address
		}
	}
	return ""
}

// retires is whether a node leaves; unknown ones do not.
func (s Settings) retires(node string) bool {
	return slices.ContainsFunc(s.Nodes, func(each Node) bool { return each.Name == node && each.Retiring })
}

// Staying are the names of the nodes that do not retire.
func (s Settings) Staying() []string {
	var names []string
	for _, node := range s.Nodes {
		if !node.Retiring {
			names = append(names, node.Name)
		}
	}
	return names
}

// others are the nodes besides this one, those that stay first.
func (s Settings) others() []string {
	var retiring []string
	names := slices.DeleteFunc(s.Staying(), func(name string) bool { return name == s.Self })
	for _, node := range s.Nodes {
		if node.Name != s.Self && node.Retiring {
			retiring = append(retiring, node.Name)
		}
	}
	return append(names, retiring...)
}
