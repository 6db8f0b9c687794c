module github.com/shiplock/shiplock/hack/node/pause

go 1.26.0
