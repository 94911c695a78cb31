package carillon

import java.io.ByteArrayOutputStream

import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.{FileAlreadyExistsException, Path}
import org.apache.spark.sql.execution.streaming.checkpointing.{
  FileContextBasedCheckpointFileManager,
  FileSystemBasedCheckpointFileManager
}
import org.apache.spark.sql.execution.streaming.checkpointing.CheckpointFileManager.CancellableFSDataOutputStream

/** The offsets and commits of a checkpoint on S3, each one object that is sent whole.
  *
  * Invariant: of two drivers on one checkpoint exactly one writes an epoch's offsets. Spark's own way is to write another
  * file and to rename it, which S3 does not have: S3A looks, copies and deletes, 22 requests a file, and two drivers can
  * both pass the look. Where the checkpoint is not on S3 it is Spark's own way.
  */
class S3ConditionalCheckpoints(path: Path, hadoopConf: Configuration)
    extends FileSystemBasedCheckpointFileManager(path, hadoopConf) {
  private lazy val elsewhere = new FileContextBasedCheckpointFileManager(path, hadoopConf)

  override def createAtomic(target: Path, overwriteIfPossible: Boolean): CancellableFSDataOutputStream =
    if (fs.getScheme == "s3a") new WholeObject(target, overwriteIfPossible, new ByteArrayOutputStream)
    else elsewhere.createAtomic(target, overwriteIfPossible)

  private class WholeObject(target: Path, overwrites: Boolean, content: ByteArrayOutputStream)
      extends CancellableFSDataOutputStream(content) {
    private var isEnded = false

    override def close(): Unit = synchronized {
      if (!isEnded) {
        isEnded = true
        flush()
        if (overwrites) ConditionalPut.replace(fs, target, content.toByteArray)
        else
          try ConditionalPut.create(fs, target, content.toByteArray)
          catch {
            case there: java.nio.file.FileAlreadyExistsException =>
              throw new FileAlreadyExistsException(there.getMessage)
          }
      }
    }

    override def cancel(): Unit = synchronized { isEnded = true }
  }
}
