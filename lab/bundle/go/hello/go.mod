module wiab-staging/lab/bundle/hello

go 1.26.0
