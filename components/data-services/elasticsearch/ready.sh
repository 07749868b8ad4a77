# Waits until the nodes are one cluster with all its data; Wire's chart makes the index by itself.
apply() {
  /opt/wiab/elasticsearch/cluster.py settle || {
    journalctl --no-pager --lines 20 --unit elasticsearch.service >&2 || true
    exit 1
  }
  /opt/wiab/elasticsearch/health
}
