package standins

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"wiab-staging/lab/conformance/kubernetes"
	"wiab-staging/lab/conformance/repeat"
	"wiab-staging/lab/conformance/stores"
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
		roles := map[string][]string{}
		for _, node := range strings.Split(*nodes, ",") {
			primary, err := isPrimary(ctx, stores.Access{
				Hosts: []string{node}, Port: stores.Port(*port),
				User: "repmgr", Password: strings.TrimSpace(string(password)), Database: "repmgr",
			})
			switch {
			case err != nil:
				fmt.Printf("%s: %v\n", node, err)
			case primary:
				roles["rw"] = append(roles["rw"], node)
			default:
				roles["ro"] = append(roles["ro"], node)
			}
		}
		if len(roles["rw"]) != 1 {
			return fmt.Errorf("%d primaries: the services stay as they are", len(roles["rw"]))
		}
		now := fmt.Sprint(roles)
		if now != before {
			fmt.Printf("read-write: %s; read-only: %s\n", roles["rw"][0], strings.Join(roles["ro"], ", "))
			before = now
		}
		// Each time: an upgrade of the release puts back what the values say.
		for _, role := range slices.Sorted(maps.Keys(roles)) {
			slice := fmt.Sprintf("/apis/discovery.k8s.io/v1/namespaces/%s/endpointslices/postgresql-external-%s", *namespace, role)
			var endpoints []map[string]any
			for _, address := range roles[role] {
				endpoints = append(endpoints, map[string]any{"addresses": []string{address}})
			}
			if err := kubernetes.Ask(ctx, "PATCH", slice, map[string]any{"endpoints": endpoints}, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

func isPrimary(ctx context.Context, node stores.Access) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, stores.DialTimeout)
	defer cancel()
	connection, err := stores.PostgreSQL(ctx, node, "any")
	if err != nil {
		return false, err
	}
	defer connection.Close(context.WithoutCancel(ctx))
	var recovering bool
	err = connection.QueryRow(ctx, "SELECT pg_is_in_recovery()").Scan(&recovering)
	return !recovering, err
}
