// Package rabbitmq looks after a broker of the RabbitMQ cluster on the data nodes.
package rabbitmq

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Node is a machine that carries a broker.
type Node struct{ Name, Address string }

// Nodes in the order of the configuration: the first one that stays founds the cluster. In JSON an object of addresses by
// name, whose order counts.
type Nodes []Node

// UnmarshalJSON keeps the order, which a map would not.
func (n *Nodes) UnmarshalJSON(data []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return errors.New("nodes: wanted is an object of addresses by name")
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return err
		}
		var address string
		if err := decoder.Decode(&address); err != nil {
			return fmt.Errorf("nodes: the address of %v: %w", name, err)
		}
		*n = append(*n, Node{name.(string), address})
	}
	return nil
}

// Settings are what a node knows of the cluster: /etc/wiab/rabbitmq/settings.json, which root alone may read.
type Settings struct {
	Self     string   `json:"node"`
	Nodes    Nodes    `json:"nodes"`
	Retiring []string `json:"retiring"`
	// User and Password are those of Wire's services, who may see everything.
	User     string `json:"name"`
	Password string `json:"password"`
	// AMQP and Management are ports.
	AMQP       int  `json:"amqp"`
	Management int  `json:"management"`
	TLS        bool `json:"tls"`
}

// ReadSettings takes the settings from JSON. Its errors never quote the text, which has a password.
func ReadSettings(text []byte) (Settings, error) {
	var settings Settings
	if err := json.Unmarshal(text, &settings); err != nil {
		return settings, errors.New("the settings are no such JSON as this program writes")
	}
	if _, known := settings.address(settings.Self); !known || settings.User == "" || settings.Password == "" {
		return settings, errors.New("the settings lack this node among the nodes, or the user")
	}
	return settings, nil
}

func (s Settings) address(node string) (string, bool) {
	index := slices.IndexFunc(s.Nodes, func(each Node) bool { return each.Name == node })
	if index < 0 {
		return "", false
	}
	return s.Nodes[index].Address, true
}

// Staying are the names of the nodes that do not retire.
func (s Settings) Staying() []string {
	var names []string
	for _, node := range s.Nodes {
		if !slices.Contains(s.Retiring, node.Name) {
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
		if node.Name != s.Self && slices.Contains(s.Retiring, node.Name) {
			retiring = append(retiring, node.Name)
		}
	}
	return append(names, retiring...)
}
