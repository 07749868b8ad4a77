package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

// account is where Kubernetes puts what a pod needs to ask it something.
const account = "/var/run/secrets/kubernetes.io/serviceaccount/"

// kubernetes asks the API server. A body is a merge patch or a new object, depending on the method.
func kubernetes(ctx context.Context, method, path string, body, result any) error {
	authority, err := os.ReadFile(account + "ca.crt")
	if err != nil {
		return err
	}
	// Read each time: tokens are renewed.
	token, err := os.ReadFile(account + "token")
	if err != nil {
		return err
	}
	security, err := trusting(string(authority), false)
	if err != nil {
		return err
	}
	sent, err := json.Marshal(body)
	if err != nil {
		return err
	}
	host := net.JoinHostPort(os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT"))
	request, err := http.NewRequestWithContext(ctx, method, "https://"+host+path, bytes.NewReader(sent))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+string(token))
	request.Header.Set("Content-Type", "application/merge-patch+json")
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: security, DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %s", method, path, response.Status, strings.TrimSpace(string(answer)))
	}
	if err != nil || result == nil {
		return err
	}
	return json.Unmarshal(answer, result)
}

// every does something time and again until a signal comes; errors go to the log.
func every(ctx context.Context, interval time.Duration, action func(context.Context) error) error {
	for ctx.Err() == nil {
		limited, cancel := context.WithTimeout(ctx, checkLimit)
		if err := action(limited); err != nil && ctx.Err() == nil {
			fmt.Println(err)
		}
		cancel()
		select {
		case <-time.After(interval):
		case <-ctx.Done():
		}
	}
	return nil
}

type pod struct {
	Metadata struct {
		Name              string
		CreationTimestamp time.Time
	}
}

// reap removes the cannons that are older than Redis, as Wire's reaper does: what they have told Redis is gone.
func reap(ctx context.Context, arguments []string) error {
	if len(arguments) != 1 {
		return errors.New("usage: conformance reaper NAMESPACE")
	}
	pods := "/api/v1/namespaces/" + arguments[0] + "/pods"
	return every(ctx, 10*time.Second, func(ctx context.Context) error {
		var all struct{ Items []pod }
		if err := kubernetes(ctx, "GET", pods, nil, &all); err != nil {
			return err
		}
		var redis time.Time
		for _, one := range all.Items {
			if strings.Contains(one.Metadata.Name, "redis-ephemeral") && one.Metadata.CreationTimestamp.After(redis) {
				redis = one.Metadata.CreationTimestamp
			}
		}
		for _, one := range all.Items {
			if strings.HasPrefix(one.Metadata.Name, "cannon") && one.Metadata.CreationTimestamp.Before(redis) {
				fmt.Printf("removing %s, which is older than Redis\n", one.Metadata.Name)
				if err := kubernetes(ctx, "DELETE", pods+"/"+one.Metadata.Name, nil, nil); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// followPrimary keeps the read-write and read-only services of PostgreSQL at the nodes that are so at the moment, as
// Wire's endpoint manager does.
func followPrimary(ctx context.Context, arguments []string) error {
	flags := flag.NewFlagSet("endpoints", flag.ExitOnError)
	namespace := flags.String("namespace", "default", "of the services")
	name := flags.String("name", "postgresql-external", "of the services, without -rw and -ro")
	port := flags.String("port", "5432", "of PostgreSQL")
	nodes := flags.String("nodes", "", "addresses, with commas between them")
	user := flags.String("user", "repmgr", "who asks; also the name of the database")
	passwordFile := flags.String("password-file", "", "the user's password")
	_ = flags.Parse(arguments)
	before := ""
	return every(ctx, 10*time.Second, func(ctx context.Context) error {
		password, err := os.ReadFile(*passwordFile)
		if err != nil {
			return err
		}
		roles := map[string][]string{}
		for _, node := range strings.Split(*nodes, ",") {
			primary, err := isPrimary(ctx, node, *port, *user, string(password))
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
			slice := fmt.Sprintf("/apis/discovery.k8s.io/v1/namespaces/%s/endpointslices/%s-%s", *namespace, *name, role)
			var endpoints []map[string]any
			for _, address := range roles[role] {
				endpoints = append(endpoints, map[string]any{"addresses": []string{address}})
			}
			if err := kubernetes(ctx, "PATCH", slice, map[string]any{"endpoints": endpoints}, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

func isPrimary(ctx context.Context, node, port, user, password string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	connection, err := postgresqlConnection(ctx, "any", []string{node}, port, user, strings.TrimSpace(password), user, nil)
	if err != nil {
		return false, err
	}
	defer connection.Close(context.WithoutCancel(ctx))
	var recovering bool
	err = connection.QueryRow(ctx, "SELECT pg_is_in_recovery()").Scan(&recovering)
	return !recovering, err
}
