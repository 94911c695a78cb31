#!/usr/bin/env bash
# Checks what a fresh machine must have and prints the Python to use on standard output.
# Each lack is one line on standard error that says what to do.
# Exit codes: 0 all there, 3 Python, 4 Java, 5 disk space.
set -euo pipefail

fail() { echo "carillon: $2" >&2; exit "$1"; }

is_python_fit() {
    command -v "$1" > /dev/null 2>&1 &&
        "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' > /dev/null 2>&1
}

python=""
for candidate in "${PYTHON:-python3}" python3.11 python3.12 python3.13 python3.10; do
    if is_python_fit "$candidate"; then python="$(command -v "$candidate")"; break; fi
done
[ -n "$python" ] || fail 3 "Python 3.10 to 3.13 is needed and ${PYTHON:-python3} is not one ($(${PYTHON:-python3} --version 2>&1 | head -1)): install it, or name it with PYTHON=/path/to/python3"
"$python" -c 'import venv, ensurepip' 2> /dev/null ||
    fail 3 "$python cannot make virtual environments: install its venv package (Debian: apt install python3-venv)"

if [ -n "${JAVA_HOME:-}" ]; then
    java="$JAVA_HOME/bin/java"
    [ -x "$java" ] || fail 4 "JAVA_HOME is $JAVA_HOME, which has no bin/java: point it at a Java 17, or unset it"
else
    java="$(command -v java || true)"
    [ -n "$java" ] || fail 4 "Java 17 is needed and no java is on PATH: install it (Debian: apt install openjdk-17-jre-headless), or set JAVA_HOME"
fi
# A java that fails says nothing of its version, which is told below.
version="$({ "$java" -version 2>&1 || true; } | sed -n 's/.*version "\([^"]*\)".*/\1/p' | head -1)"
major="${version%%[.+-]*}"
case "$major" in
    17 | 21) ;;
    *) fail 4 "Java 17 (or 21) is needed and $java is '${version:-not a working Java}': set JAVA_HOME to a Java 17" ;;
esac

# 1.7 GB of Python packages and 0.2 GB of jars, with room for a demo run.
need_mb=3000
here="$(cd "$(dirname "$0")/.." && pwd)"
free_mb="$(df -Pm "$here" | awk 'NR == 2 { print $4 }')"
[ -d "$here/.venv" ] || [ "$free_mb" -ge "$need_mb" ] ||
    fail 5 "$free_mb MB are free at $here and $need_mb MB are needed: free some, or clone to another disk"

echo "$python"
