// Package manifests hands out files of this folder to programs: what is installed is what they work with.
package manifests

import "embed"

// SchedulerConfig is the configuration of shoal-scheduler as it is installed.
//
//go:embed scheduler-config/scheduler-config.yaml
var SchedulerConfig []byte

// Files are the manifests of manifests/install, in their folders, with the kustomizations.
//
//go:embed namespace crds rbac admission flowcontrol scheduler-config deploy
var Files embed.FS
