// Command wiab looks after the services of a node, as root and on the node itself.
//
//	wiab VERB SERVICE
//
// Verbs ask and change nothing yet. The answer is on standard output; what is wrong, on standard error.
package main

import (
	"context"
	"fmt"
	"os"

	"wiab-staging/guest/rabbitmq"
	"wiab-staging/guest/service"
)

func main() {
	if len(os.Args) != 3 {
		os.Exit(misused("usage: wiab VERB SERVICE"))
	}
	os.Exit(run(context.Background(), os.Args[1], os.Args[2], "/etc/wiab"))
}

func misused(why string) int {
	fmt.Fprintln(os.Stderr, why)
	return service.Misused
}

// run does what a verb says. Settings and the authority's certificate lie in the directory.
func run(ctx context.Context, verb, name, directory string) int {
	if name != "rabbitmq" {
		return misused(fmt.Sprintf("no service %s; known is rabbitmq", name))
	}
	text, err := os.ReadFile(directory + "/rabbitmq/settings.json")
	if err != nil {
		return misused(err.Error())
	}
	settings, err := rabbitmq.ReadSettings(text)
	if err != nil {
		return misused(err.Error())
	}
	brokers, err := rabbitmq.NewBrokers(settings, directory+"/ca.crt")
	if err != nil {
		return misused(err.Error())
	}
	decider := rabbitmq.Decider{Settings: settings, Cluster: brokers}
	verbs := map[string]func() (string, error){
		"health": func() (string, error) { return brokers.Health(ctx) },
		"serves": func() (string, error) { return "serves", decider.Serves() },
		"spare":  func() (string, error) { return "the others can do without it", decider.Spare() },
		"turn":   func() (string, error) { return "it is this node's turn", decider.Turn() },
	}
	do, known := verbs[verb]
	if !known {
		return misused(fmt.Sprintf("no verb %s; known are health, serves, spare, turn", verb))
	}
	said, err := do()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return service.Code(err)
	}
	fmt.Println(said)
	return service.Done
}
