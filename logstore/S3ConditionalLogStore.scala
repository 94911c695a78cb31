package carillon

import java.lang.{Boolean => JBoolean}
import java.nio.charset.StandardCharsets.UTF_8
import java.util.{Iterator => JIterator}

import io.delta.storage.HadoopFileSystemLogStore
import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.Path

/** A Delta log store for S3 on which any number of drivers may commit to one table.
  *
  * Invariant: of all writers of one commit file exactly one succeeds (see `ConditionalPut`). The losers see
  * FileAlreadyExistsException, upon which Delta checks for a conflict and tries the next version.
  */
class S3ConditionalLogStore(initHadoopConf: Configuration) extends HadoopFileSystemLogStore(initHadoopConf) {
  import S3ConditionalLogStore._

  override def write(path: Path, actions: JIterator[String], overwrite: JBoolean, hadoopConf: Configuration): Unit = {
    val fs = path.getFileSystem(hadoopConf)
    val bytes = encode(actions)
    if (overwrite) ConditionalPut.replace(fs, path, bytes) else ConditionalPut.create(fs, path, bytes)
  }

  /** A PUT is visible whole or not at all, so readers need no detour by a rename. */
  override def isPartialWriteVisible(path: Path, hadoopConf: Configuration): JBoolean = false
}

object S3ConditionalLogStore {
  private def encode(actions: JIterator[String]): Array[Byte] = {
    val text = new java.lang.StringBuilder
    actions.forEachRemaining(action => text.append(action).append('\n'))
    text.toString.getBytes(UTF_8)
  }
}
