package carillon

import java.io.{ByteArrayOutputStream, FileNotFoundException}

import scala.annotation.nowarn

import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.{FileAlreadyExistsException, FileStatus, Path, PathFilter}
import org.apache.spark.sql.execution.streaming.checkpointing.{
  FileContextBasedCheckpointFileManager,
  FileSystemBasedCheckpointFileManager
}
import org.apache.spark.sql.execution.streaming.checkpointing.CheckpointFileManager.CancellableFSDataOutputStream

/** The offsets and commits of a checkpoint on S3, each one object that is sent whole.
  *
  * Invariant: of two drivers on one checkpoint exactly one writes an epoch's offsets. Spark's own way is to write another
  * file and to rename it, which S3 does not have: S3A looks, copies and deletes, 22 requests a file, and two drivers can
  * both pass the look. And a folder is always there: S3 has none, so that asking for one and making it, 50 requests when
  * a stream starts, tells nothing. Where the checkpoint is not on S3 it is Spark's own way.
  */
class S3ConditionalCheckpoints(folder: Path, hadoopConf: Configuration)
    extends FileSystemBasedCheckpointFileManager(folder, hadoopConf) {
  private lazy val elsewhere = new FileContextBasedCheckpointFileManager(folder, hadoopConf)
  private val isOnS3 = fs.getScheme == "s3a"

  override def createAtomic(target: Path, overwriteIfPossible: Boolean): CancellableFSDataOutputStream =
    if (isOnS3) new WholeObject(target, overwriteIfPossible, new ByteArrayOutputStream)
    else elsewhere.createAtomic(target, overwriteIfPossible)

  override def mkdirs(wanted: Path): Unit = if (!isOnS3) super.mkdirs(wanted)

  override def exists(wanted: Path): Boolean =
    if (isOnS3 && wanted == folder) true
    else if (isOnS3 && isEpoch(wanted)) isFile(wanted)
    else super.exists(wanted)

  override def list(wanted: Path, filter: PathFilter): Array[FileStatus] =
    try super.list(wanted, filter)
    catch { case _: FileNotFoundException if isOnS3 => Array.empty }

  /** A file of an epoch has a number for a name and lies in the folder itself. */
  private def isEpoch(wanted: Path): Boolean =
    wanted.getParent == folder && wanted.getName.forall(_.isDigit)

  /** One request: getFileStatus, which Hadoop would rather have called, asks for a folder of the name, too. */
  @nowarn("cat=deprecation")
  private def isFile(wanted: Path): Boolean = fs.isFile(wanted)

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
