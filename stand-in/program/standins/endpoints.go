package standins

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"wiab-staging/stand-in/program/kubernetes"
	"wiab-staging/stand-in/program/repeat"
	"wiab-staging/stand-in/program/stores"
)

// FollowPrimary is the mode `endpoints`: it keeps the services postgresql-external-rw and -ro at the nodes that are so at
// the moment, as Wire's endpoint manager does.
func FollowPrimary(ctx context.Context, arguments []string) error {
	flags := flag.NewFlagSet("endpoints", flag.ExitOnError)
	namespace := flags.String("namespace", "default", "of the services")
	port := flags.String("port", "5432", "of PostgreSQL")
	nodes := flags.String("nodes", "", "addresses, with commas between them")
	passwordFile := flags.String("password-file", "", "the password of repmgr, who asks")
	_ = flags.Parse(arguments)
	before := ""
	return repeat.Every(ctx, "endpoints", 10*time.Second, 10*time.Second, func(ctx context.Context) error {
		password, err := os.ReadFile(*passwordFile)
		if err != nil {
			return err
		}
		roles, err := rolesOf(strings.Split(*nodes, ","), func(node string) (bool, error) {
			return isPrimary(ctx, stores.Access{
				Hosts: []string{node}, Port: stores.Port(*port),
				User: "repmgr", Password: strings.TrimSpace(string(password)), Database: "repmgr",
				// There is no digest for the Ed25519 certificates of the lab's nodes (docs/charts.md).
				ChannelBinding: "disable",
			})
		})
		if err != nil {
			return err
		}
		now := fmt.Sprint(roles)
		if now != before {
			fmt.Printf("read-write: %s; read-only: %s\n", roles["rw"][0], strings.Join(roles["ro"], ", "))
			before = now
		}
		// Each time: an upgrade of the release puts back what the values say.
		return publish(roles, func(role string, endpoints any) error {
			slice := fmt.Sprintf("/apis/discovery.k8s.io/v1/namespaces/%s/endpointslices/postgresql-external-%s", *namespace, role)
			return kubernetes.Ask(ctx, "PATCH", slice, map[string]any{"endpoints": endpoints}, nil)
		})
	})
}

// rolesOf asks all nodes at the same time, since one that is off takes its time, and says which are read-write (rw) and
// read-only (ro). One that does not answer is neither. It is an error if there is not just one primary.
func rolesOf(nodes []string, primary func(node string) (bool, error)) (map[string][]string, error) {
	found := make([]string, len(nodes))
	failed := make([]error, len(nodes))
	var all sync.WaitGroup
	for i, node := range nodes {
		all.Go(func() {
			is, err := primary(node)
			switch {
			case err != nil:
				failed[i] = fmt.Errorf("%s: %w", node, err)
			case is:
				found[i] = "rw"
			default:
				found[i] = "ro"
			}
		})
	}
	all.Wait()
	roles := map[string][]string{}
	for i, role := range found {
		if role != "" {
			roles[role] = append(roles[role], nodes[i])
		}
	}
	if count := len(roles["rw"]); count != 1 {
		return nil, errors.Join(fmt.Errorf("%d primaries: the services stay as they are", count), errors.Join(failed...))
	}
	return roles, nil
}

// publish has each role's name lead to its nodes. A role that nobody has keeps those that it had.
func publish(roles map[string][]string, patch func(role string, endpoints any) error) error {
	for _, role := range slices.Sorted(maps.Keys(roles)) {
		var endpoints []map[string]any
		for _, address := range roles[role] {
			endpoints = append(endpoints, map[string]any{"addresses": []string{address}})
		}
		if err := patch(role, endpoints); err != nil {
			return err
		}
	}
	return nil
}

// isPrimary uses TLS where the node has it, as PostgreSQL's own library does, and believes whoever answers.
func isPrimary(ctx context.Context, node stores.Access) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, stores.DialTimeout)
	defer cancel()
	encrypted := node
	encrypted.TLS = &tls.Config{InsecureSkipVerify: true}
	connection, err := stores.PostgreSQL(ctx, encrypted, "any")
	if err != nil && strings.Contains(err.Error(), "refused TLS") {
		connection, err = stores.PostgreSQL(ctx, node, "any")
	}
	if err != nil {
		return false, err
	}
	defer connection.Close(context.WithoutCancel(ctx))
	var recovering bool
	err = connection.QueryRow(ctx, "SELECT pg_is_in_recovery()").Scan(&recovering)
	return !recovering, err
}
