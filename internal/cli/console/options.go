package console

import "log/slog"

// Options are the settings of a Console.
type Options struct {
	Progress  Progress
	LogFormat LogFormat
	LogLevel  slog.Level
}

// A Progress is a value of --progress.
type Progress string

// The values of --progress.
const (
	ProgressAuto Progress = "auto" // a bar on a terminal, otherwise the log
	ProgressBar  Progress = "bar"
	ProgressLog  Progress = "log"
	ProgressNone Progress = "none"
)

// A LogFormat is a value of --log-format.
type LogFormat string

// The values of --log-format.
const (
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)
