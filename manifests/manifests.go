// Package manifests hands out files of this folder to programs: what is installed is what they work with.
package manifests

import _ "embed"

// SchedulerConfig is the configuration of shoal-scheduler as it is installed.
//
//go:embed scheduler-config/scheduler-config.yaml
var SchedulerConfig []byte
