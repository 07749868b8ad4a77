package broker

import (
	"encoding/json"
	"time"
)

// The messages of upstream's protocol in the JSON of its Protobuf definitions, as far as WASI preview 1 takes them.

// file is a file by reference, or with its content.
type file struct {
	Ref   string `json:"ref,omitempty"`
	Media string `json:"media,omitempty"`
	Blob  []byte `json:"blob,omitempty"`
}

// parameters of a task.
type parameters struct {
	Binary    *file    `json:"binary,omitempty"`
	Args      []string `json:"args,omitempty"`
	Envs      []string `json:"envs,omitempty"`
	Stdin     []byte   `json:"stdin,omitempty"`
	Rootfs    *file    `json:"rootfs,omitempty"`
	Artifacts []string `json:"artifacts,omitempty"`
}

// metadata of a task.
type metadata struct {
	ID        string `json:"id,omitempty"`
	Requester string `json:"requester,omitempty"`
	Provider  string `json:"provider,omitempty"`
	Reference string `json:"reference,omitempty"`
}

// quality of service that a client asks for.
type quality struct {
	Deadline  *time.Time `json:"deadline,omitempty"`
	Immediate bool       `json:"immediate,omitempty"`
}

// taskRequest asks for one run of a module.
type taskRequest struct {
	Type   string      `json:"@type,omitempty"`
	Info   metadata    `json:"info"`
	QoS    quality     `json:"qos"`
	Params *parameters `json:"params,omitempty"`
}

// output of a program that ran to its end, whatever its status.
type output struct {
	Status    int32  `json:"status"`
	Stdout    []byte `json:"stdout,omitempty"`
	Stderr    []byte `json:"stderr,omitempty"`
	Artifacts *file  `json:"artifacts,omitempty"`
}

// taskResponse is what became of a run: an output or an error.
type taskResponse struct {
	Type  string   `json:"@type,omitempty"`
	Info  metadata `json:"info"`
	Error string   `json:"error,omitempty"`
	OK    *output  `json:"ok,omitempty"`
}

// envelope carries all messages between broker and provider. Sequence is 64 bits wide, a string in Protobuf's JSON.
type envelope struct {
	Sequence uint64          `json:"sequence,string"`
	Type     string          `json:"type"`
	Error    string          `json:"error,omitempty"`
	Payload  json.RawMessage `json:"payload,omitempty"`
}

// typePrefix stands before the names of messages in envelopes.
const typePrefix = "wasimoff/wasimoff.v1."

const (
	typeTaskRequest = typePrefix + "Task.Wasip1.Request"
	typeCancel      = typePrefix + "Task.Cancel"
	typeResources   = typePrefix + "Event.ProviderResources"
	typeCluster     = typePrefix + "Event.ClusterInfo"
)
