module github.com/shiplock/shiplock

go 1.26.0
