package writer

import (
	"context"
	"fmt"
	"strconv"

	"wiab-staging/stand-in/program/stores"
)

type elasticsearchStore struct {
	*stores.Elastic
	index string
	// copies that have to be there before a write begins: a majority.
	copies int
}

func openElasticsearch(ctx context.Context, access stores.Access, to target, run string) (store, error) {
	node, index := stores.Elasticsearch(access), "conformance-"+run
	settings := map[string]any{"number_of_shards": 1, "number_of_replicas": to.Replicas - 1}
	if err := node.MakeIndex(ctx, index, settings); err != nil {
		return nil, err
	}
	return &elasticsearchStore{node, "/" + index, to.Replicas/2 + 1}, nil
}

func (s *elasticsearchStore) put(ctx context.Context, number int64) error {
	path := fmt.Sprintf("%s/_doc/%d?wait_for_active_shards=%d", s.index, number, s.copies)
	return s.Call(ctx, "PUT", path, map[string]int64{"number": number}, nil)
}

func (s *elasticsearchStore) read(ctx context.Context, last int64, found func(int64)) error {
	for first := int64(1); first <= last; first += batch {
		ids := make([]string, 0, batch)
		for number := first; number <= last && number < first+batch; number++ {
			ids = append(ids, strconv.FormatInt(number, 10))
		}
		var answer struct {
			Docs []struct {
				Found  bool
				Source struct{ Number int64 } `json:"_source"`
				Error  any
			}
		}
		if err := s.Call(ctx, "POST", s.index+"/_doc/_mget", map[string]any{"ids": ids}, &answer); err != nil {
			return err
		}
		for _, document := range answer.Docs {
			if document.Error != nil {
				return fmt.Errorf("a record cannot be read: %v", document.Error)
			}
			if document.Found {
				found(document.Source.Number)
			}
		}
	}
	return nil
}

func (s *elasticsearchStore) clean(ctx context.Context) error {
	return s.Call(ctx, "DELETE", s.index, nil, nil)
}

func (s *elasticsearchStore) close() { s.Close() }
