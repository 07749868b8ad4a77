package rabbitmq

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// Definitions are what a cluster is made of, as RabbitMQ exports and imports them: lists of entries by kind.
type Definitions map[string][]map[string]any

// kinds that this program looks after, each with what names an entry, in the order in which they are told of.
var kinds = []struct {
	kind string
	keys []string
}{
	{"vhosts", []string{"name"}},
	{"users", []string{"name"}},
	{"permissions", []string{"user", "vhost"}},
	{"policies", []string{"vhost", "name"}},
}

// ReadDefinitions takes them from JSON; what is no list of entries is left out, as RabbitMQ says its version there too.
func ReadDefinitions(text []byte) (Definitions, error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, errors.New("these are no definitions of RabbitMQ")
	}
	definitions := Definitions{}
	for kind, value := range raw {
		var entries []map[string]any
		if json.Unmarshal(value, &entries) == nil && entries != nil {
			definitions[kind] = entries
		}
	}
	return definitions, nil
}

// Changed names what a cluster lacks of what it shall have, or has otherwise.
func Changed(there, ours Definitions) []string {
	var names []string
	for _, each := range kinds {
		name := func(entry map[string]any) string {
			words := []string{each.kind}
			for _, key := range each.keys {
				words = append(words, fmt.Sprint(entry[key]))
			}
			return strings.Join(words, " ")
		}
		present := map[string]map[string]any{}
		for _, entry := range there[each.kind] {
			present[name(entry)] = entry
		}
		for _, wanted := range ours[each.kind] {
			for key, value := range wanted {
				if !reflect.DeepEqual(value, joined(present[name(wanted)][key])) {
					names = append(names, name(wanted))
					break
				}
			}
		}
	}
	return names
}

// joined makes one text of a list: tags are a text in some versions and a list in others.
func joined(value any) any {
	list, isList := value.([]any)
	if !isList {
		return value
	}
	words := make([]string, len(list))
	for index, word := range list {
		words[index] = fmt.Sprint(word)
	}
	return strings.Join(words, ",")
}

// HasGuest is whether there is the user that RabbitMQ makes by itself, with a password that everybody knows.
func HasGuest(there Definitions) bool {
	for _, user := range there["users"] {
		if user["name"] == "guest" {
			return true
		}
	}
	return false
}

// Restorable says what there is to restore; an error if it is no backup.
func Restorable(there Definitions) (string, error) {
	var parts []string
	for _, kind := range []string{"vhosts", "users", "permissions", "policies", "queues", "exchanges", "bindings"} {
		entries, found := there[kind]
		if !found {
			return "", errors.New("this is no backup of RabbitMQ")
		}
		parts = append(parts, fmt.Sprintf("%d %s", len(entries), kind))
	}
	return strings.Join(parts, ", "), nil
}
